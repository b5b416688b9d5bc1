// Installs what the suite needs, and says so first.
import { existsSync } from 'node:fs'
import { must, run } from '../interop/lab/run.ts'

/** Package → a file by which we know that it is there. */
const needed: Readonly<Record<string, string>> = {
  iproute2: '/usr/bin/ip',
  nftables: '/usr/sbin/nft',
  'iputils-ping': '/usr/bin/ping',
  systemd: '/usr/lib/systemd/systemd-networkd',
  'systemd-timesyncd': '/usr/lib/systemd/systemd-timesyncd',
  'dnsmasq-base': '/usr/sbin/dnsmasq',
  rsyslog: '/usr/sbin/rsyslogd',
  'python3-minimal': '/usr/bin/python3',
  dash: '/usr/bin/dash',
  pppoe: '/usr/sbin/pppoe-server',
  'user-mode-linux': '/usr/bin/linux.uml',
  mmdebstrap: '/usr/bin/mmdebstrap',
}

export default async function setup(): Promise<void> {
  const missing = Object.keys(needed).filter((name) => !existsSync(needed[name]!))
  if (missing.length === 0) return
  process.stderr.write(`system: installing with apt-get: ${missing.join(' ')}\n`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const install = ['-o', 'DPkg::Lock::Timeout=300', 'install', '-y', '--no-install-recommends', ...missing]
  if ((await run('apt-get', install, { env, timeoutMs: 600_000 })).code === 0) return
  await must('apt-get', ['update'], { env, timeoutMs: 300_000 })
  await must('apt-get', install, { env, timeoutMs: 600_000 })
}
