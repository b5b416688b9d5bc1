// Tells the machine's services what changed, and nobody else: a changed NTP server must not take the WAN down.
//
// At start, before those services run, they are left alone: they read the new files when they come. Only the firewall and the host name have no
// service of their own.
import type { Run } from '../platform/linux/command.ts'
import type { Concern, SystemFile } from './file.ts'
import { rsyslogFile } from './logging.ts'
import { peerFile } from './pppoe.ts'

export type Machine = {
  readonly run: Run
  readonly writeFile: (path: string, text: string) => void
}

/** In this order: nothing moves before the firewall stands, pppd dials over a port that networkd has set up. */
const order: readonly Concern[] = [
  'firewall',
  'hostname',
  'watchdog',
  'journal',
  'network',
  'pppoe',
  'resolvers',
  'timezone',
  'time',
  'syslog',
]

/** Acts on changed files; gives what was done, in words. Fails with the command's own complaint. */
export async function activate(files: readonly SystemFile[], machine: Machine): Promise<string[]> {
  const done: string[] = []
  for (const concern of order) {
    const changed = files.filter((file) => file.concern === concern)
    const what = changed.length > 0 ? await actions[concern](changed, machine) : undefined
    if (what !== undefined) done.push(what)
  }
  return done
}

type Action = (changed: readonly SystemFile[], machine: Machine) => Promise<string | undefined>

const actions: Readonly<Record<Concern, Action>> = {
  firewall: async (changed, { run }) => {
    const file = changed.find(({ is }) => is === 'text')
    if (!file) return undefined
    await run('nft', ['-f', file.path])
    return 'the firewall is in force'
  },
  hostname: async (changed, { writeFile }) => {
    const file = changed.find(({ path }) => path === '/etc/hostname')
    if (file?.is !== 'text') return undefined
    writeFile('/proc/sys/kernel/hostname', file.text.trim())
    return `the host name is ${file.text.trim()}`
  },
  network: async (changed, { run }) => {
    if (!(await active('systemd-networkd.service', run))) return undefined
    const bridge = changed.find(({ path }) => path.endsWith('.netdev'))
    // networkd makes a device that a file asks for, but never takes one away.
    if (bridge?.is === 'absent') await run('networkctl', ['delete', 'lan']).catch(() => undefined)
    await run('networkctl', ['reload'])
    return 'the network is set up anew where it changed'
  },
  pppoe: (changed, { run }) => startOrStop('gatehouse-pppoe.service', peerFile, changed, run),
  syslog: (changed, { run }) => startOrStop('gatehouse-syslog.service', rsyslogFile, changed, run),
  resolvers: async (_, { run }) => {
    if (!(await active('gatehouse-resolvers.path', run))) return undefined
    // Its unit comes after the one that we may be running in at start: waiting for it would be waiting for ourselves.
    await run('systemctl', ['restart', '--no-block', 'gatehouse-resolvers.service'])
    return 'the resolvers are written anew'
  },
  // Programs read it when they start; the daemon follows its configuration.
  timezone: async () => 'the time zone is set',
  time: (_, { run }) => restart('systemd-timesyncd.service', run),
  journal: (_, { run }) => restart('systemd-journald.service', run),
  watchdog: async (_, { run }) => {
    if (!(await active('systemd-journald.service', run))) return undefined
    await run('systemctl', ['daemon-reexec'])
    return 'the watchdog is armed'
  },
}

async function active(unit: string, run: Run): Promise<boolean> {
  return run('systemctl', ['is-active', '--quiet', unit]).then(
    () => true,
    () => false,
  )
}

async function restart(unit: string, run: Run): Promise<string | undefined> {
  if (!(await active(unit, run))) return undefined
  await run('systemctl', ['restart', unit])
  return `${unit} was restarted`
}

/** A service that is there for one file. Until `system apply` has ended at the machine's start, its unit comes by itself afterwards, and its condition decides. */
async function startOrStop(
  unit: string,
  file: string,
  changed: readonly SystemFile[],
  run: Run,
): Promise<string | undefined> {
  const wanted = changed.find(({ path }) => path === file)?.is === 'text'
  if (!wanted) {
    if (!(await active(unit, run))) return undefined
    await run('systemctl', ['stop', unit])
    return `${unit} was stopped`
  }
  const start = (await run('systemctl', ['show', '-P', 'ActiveState', 'gatehouse-system.service'])).trim()
  if (start === 'inactive' || start === 'activating') return undefined
  await run('systemctl', ['restart', unit])
  return `${unit} was started`
}
