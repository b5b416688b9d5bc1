// The clock: its servers for systemd-timesyncd and the time zone.
import type { SystemEntry } from '../config/configuration.ts'
import { ini, made, type SystemFile } from './file.ts'

export function timeFiles({ ntp, timezone }: SystemEntry): SystemFile[] {
  // An empty FallbackNTP takes Debian's own servers away: only whom the configuration names is asked.
  const servers = ini([['Time', { NTP: ntp.join(' '), FallbackNTP: '' }]])
  return [
    made('time', '/etc/systemd/timesyncd.conf.d/50-gatehouse.conf', servers),
    { path: '/etc/localtime', concern: 'timezone', is: 'link', target: `/usr/share/zoneinfo/${timezone}` },
    { path: '/etc/timezone', concern: 'timezone', is: 'text', text: `${timezone}\n`, mode: 0o644 },
  ]
}
