// The whole of it as one pure function: a configuration and the board's facts in, every file that `system apply` is answerable for out. The list
// of paths is always the same one, so that what an earlier configuration left is taken away by this one.
import type { Board } from '../../board/common/board.ts'
import type { Configuration, SystemEntry } from '../config/configuration.ts'
import type { SystemFile } from './file.ts'
import { made } from './file.ts'
import { firewallFiles } from './firewall.ts'
import { loggingFiles } from './logging.ts'
import { networkFiles } from './networkd.ts'
import { pppoeFiles } from './pppoe.ts'
import { timeFiles } from './time.ts'
import { watchdogFiles } from './watchdog.ts'

/** Without a configuration, or with a faulty one: the machine is closed, and logs, for whoever sits at its console. */
const nothing: SystemEntry = {
  admin: undefined,
  wan: undefined,
  lan: undefined,
  ntp: [],
  timezone: 'UTC',
  syslog: undefined,
  idleLogoutSeconds: 600,
}

export function systemFiles(configuration: Configuration | undefined, board: Board | undefined): SystemFile[] {
  const system = configuration?.system ?? nothing
  const open = configuration?.system ? configuration : undefined
  return [
    ...firewallFiles(open),
    ...hostFiles(configuration?.hostname ?? 'gatehouse'),
    ...networkFiles(system.wan, system.lan),
    ...pppoeFiles(system.wan),
    ...resolverFiles(system),
    ...timeFiles(system),
    ...loggingFiles(system),
    ...watchdogFiles(board),
  ]
}

function hostFiles(hostname: string): SystemFile[] {
  const hosts = `127.0.0.1 localhost\n127.0.1.1 ${hostname}\n::1 localhost ip6-localhost ip6-loopback\n`
  return [
    { path: '/etc/hostname', concern: 'hostname', is: 'text', text: `${hostname}\n`, mode: 0o644 },
    made('hostname', '/etc/hosts', hosts),
  ]
}

/** Resolvers that the configuration names; `resolvers` takes them before those of DHCP and PPP. */
function resolverFiles({ wan }: SystemEntry): SystemFile[] {
  const lines = (wan?.dns ?? []).map((address) => `nameserver ${address}\n`)
  return [made('resolvers', '/etc/gatehouse/resolvers', lines.length > 0 ? lines.join('') : undefined)]
}
