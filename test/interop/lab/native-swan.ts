// strongSwan and libreswan without a guest. strongSwan: from the guests' tree, in a namespace of the lab, with its userland ESP (kernel-libipsec), since this machine's kernel has none.
// Tunnel mode only, which is what kernel-libipsec can. It starts in a second where a guest takes many.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Lab } from './lab.ts'
import type { Place } from './network.ts'
import { rootPath } from './roots.ts'
import { must, until } from './run.ts'

/** One attempt of libreswan's with a certificate, `conf` naming it `own` in a connection `site`; what it said. Main mode is all that comes up. `impair`: what it does on purpose. */
export function libreswanOnce(
  lab: Lab,
  place: Place,
  { conf, p12, authority, impair = '' }: { conf: string; p12: Uint8Array; authority: string; impair?: string },
): Promise<string> {
  const folder = join(lab.lease.dir, `libreswan-${Date.now()}`)
  mkdirSync(folder, { recursive: true })
  for (const [name, content] of Object.entries({ 'ipsec.conf': conf, 'own.p12': p12, 'ca.pem': authority }))
    writeFileSync(join(folder, name), content, { mode: 0o600 })
  const script = join(import.meta.dirname, 'native-libreswan.sh')
  const command = ['unshare', '-m', script, rootPath('libreswan'), folder, impair]
  return lab.network.exec(place, command, { timeoutMs: 300_000 }).then(({ stdout, stderr }) => `${stdout}${stderr}`)
}

const vici = ['--uri', 'unix:///run/charon.vici']

export class NativeSwan {
  readonly #child: ChildProcess
  readonly #root: string
  #log = ''

  private constructor(child: ChildProcess, root: string) {
    this.#child = child
    this.#root = root
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#log += text
      })
  }

  /** `files` by path below /etc/swanctl, swanctl.conf among them; `more`: lines of charon's own settings. */
  static async start(
    lab: Lab,
    place: Place,
    files: Readonly<Record<string, string>>,
    more: readonly string[] = [],
  ): Promise<NativeSwan> {
    const folder = join(lab.lease.dir, `swan-${Date.now()}`)
    const conf = readFileSync(join(import.meta.dirname, 'guest', 'strongswan.conf'), 'utf8')
      .replace('kernel-netlink', 'kernel-libipsec kernel-netlink')
      .replace('install_routes = no', 'install_routes = yes')
      .replace('/run/charon.log', 'stdout')
      .replace('install_virtual_ip = no', ['install_virtual_ip = no', ...more].join('\n  '))
    const all = Object.entries({ 'strongswan.conf': conf, ...prefixed(files) })
    for (const [path, text] of all) {
      mkdirSync(dirname(join(folder, 'etc', path)), { recursive: true })
      writeFileSync(join(folder, 'etc', path), text, { mode: 0o600 })
    }
    const script = join(import.meta.dirname, 'native-swan.sh')
    const args = ['netns', 'exec', lab.network.ns(place), 'unshare', '-m', script, rootPath('strongswan'), folder]
    const swan = new NativeSwan(spawn('ip', args, { stdio: ['ignore', 'pipe', 'pipe'] }), join(folder, 'mnt', 'root'))
    await until('charon to answer', () => swan.swanctl('--stats').catch(() => undefined), {
      timeoutMs: 120_000,
      everyMs: 300,
    }).catch((error: Error) => {
      throw new Error(`${error.message}\n${swan.log}`)
    })
    await swan.swanctl('--load-all', '--noprompt')
    return swan
  }

  /** What charon logged. */
  get log(): string {
    return this.#log
  }

  swanctl(...args: readonly string[]): Promise<string> {
    const inside = ['-t', `${this.#child.pid}`, '-m', '-n', 'chroot', this.#root]
    return must('nsenter', [...inside, 'swanctl', ...args, ...vici], { timeoutMs: 120_000 })
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGTERM')
    await until('charon to end', () => this.#child.exitCode !== null || this.#child.signalCode !== null)
  }
}

function prefixed(files: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(files).map(([path, text]) => [`swanctl/${path}`, text]))
}
