// What the lab needs from Debian, installed if missing, and said before it is done.
import { existsSync } from 'node:fs'
import { must, run, say } from './run.ts'

/** Package → a file by which we know that it is there. */
const needed: Readonly<Record<string, string>> = {
  'user-mode-linux': '/usr/bin/linux.uml',
  mmdebstrap: '/usr/bin/mmdebstrap',
  iproute2: '/usr/bin/ip',
  procps: '/sbin/sysctl',
  nftables: '/usr/sbin/nft',
  iperf3: '/usr/bin/iperf3',
  tcpdump: '/usr/bin/tcpdump',
  'softether-vpnserver': '/usr/bin/vpnserver',
  'softether-vpncmd': '/usr/bin/vpncmd',
}

export function ensurePackages(): Promise<void> {
  return ensureFiles(needed)
}

/** Installs the packages of this table whose file isn't there. */
export async function ensureFiles(table: Readonly<Record<string, string>>): Promise<void> {
  const missing = Object.keys(table).filter((name) => !existsSync(table[name] as string))
  if (missing.length === 0) return
  say(`installing with apt-get: ${missing.join(' ')}`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const install = () =>
    run('apt-get', ['-o', 'DPkg::Lock::Timeout=300', 'install', '-y', '--no-install-recommends', ...missing], {
      env,
      timeoutMs: 600_000,
    })
  const first = await install()
  if (first.code === 0) return keepQuiet(missing)
  await must('apt-get', ['update'], { env, timeoutMs: 300_000 })
  const second = await install()
  if (second.code !== 0) throw new Error(`apt-get install ${missing.join(' ')} failed:\n${second.stderr}`)
  await keepQuiet(missing)
}

/** SoftEther's package starts its server at once, on UDP 500 of the machine itself: the lab runs its own in a namespace. */
async function keepQuiet(installed: readonly string[]): Promise<void> {
  if (!installed.includes('softether-vpnserver')) return
  await run('sh', ['-c', 'systemctl disable --now softether-vpnserver || /etc/init.d/softether-vpnserver stop'])
}
