// The clock: its servers for systemd-timesyncd and the time zone.
import type { SystemEntry } from '../config/configuration.ts'
import { ini, made, type SystemFile } from './file.ts'

export function timeFiles({ ntp, timezone }: SystemEntry): SystemFile[] {
  // Only whom the configuration names is asked: an empty FallbackNTP would bring Debian's own servers back (timesyncd 252). This machine answers nobody.
  const servers = ini([['Time', { NTP: ntp.join(' '), FallbackNTP: ntp.length > 0 ? ntp.join(' ') : '127.0.0.1' }]])
  return [
    made('time', '/etc/systemd/timesyncd.conf.d/50-gatehouse.conf', servers),
    { path: '/etc/localtime', concern: 'timezone', is: 'link', target: `/usr/share/zoneinfo/${timezone}` },
    { path: '/etc/timezone', concern: 'timezone', is: 'text', text: `${timezone}\n`, mode: 0o644 },
  ]
}
