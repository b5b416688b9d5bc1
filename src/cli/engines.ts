// `gatehouse engines`: what can carry ESP on this machine: the engines of the userland data plane, and what the kernel's crypto API has registered,
// with what it takes and would take. As a table, or with --json whole.
import process from 'node:process'
import { loadNative } from '../platform/addon.ts'
import { type KernelDriver, kernelDrivers } from '../platform/linux/kernel-crypto.ts'
import { command, parse } from './arguments.ts'

type Userland = {
  readonly engine: string
  readonly description: string
  readonly best: boolean
  readonly esp: readonly string[]
}

export function run(args: readonly string[]): Promise<number> {
  return command('engines', async () => {
    const { values } = parse({ args: [...args], options: { json: { type: 'boolean' }, all: { type: 'boolean' } } })
    const native = loadNative()
    // First, because asking for AF_ALG makes the kernel load what it has for ESP.
    const userland = native.listEngines().map(({ name, description, algorithms }, i) => ({
      engine: name,
      description,
      best: i === 0,
      esp: algorithms,
    }))
    const { netlink, algorithms } = native.listKernelAlgorithms()
    const kernel = { source: netlink ? 'NETLINK_CRYPTO' : '/proc/crypto', algorithms: kernelDrivers(algorithms) }
    process.stdout.write(
      values.json
        ? `${JSON.stringify({ userland, kernel }, null, 2)}\n`
        : render(userland, kernel.source, kernel.algorithms, values.all ?? false),
    )
    return 0
  })
}

function render(userland: readonly Userland[], source: string, drivers: readonly KernelDriver[], all: boolean): string {
  const shown = all ? drivers : drivers.filter(({ esp }) => esp.length > 0)
  const rows = shown.map((one) => [
    one.algorithm,
    `${one.chosen ? '* ' : '  '}${one.driver}`,
    one.kind,
    one.synchronous ? 'sync' : 'async',
    String(one.priority),
    one.internal ? 'internal' : one.selfTest,
    short(one.esp),
  ])
  const table = columns([['ALGORITHM', '  DRIVER', 'KIND', 'WAY', 'PRIORITY', 'SELF-TEST', 'ESP'], ...rows])
  const rest = drivers.length - shown.length
  return [
    'Userland engines (engine: NAME), the best first:',
    columns(userland.map(({ engine, description, esp }) => [`  ${engine}`, description, short(esp)])),
    '',
    `Kernel (${source}); * is what the kernel takes:`,
    shown.length > 0 ? table : '  nothing that could carry ESP',
    ...(rest > 0 ? [`${rest} more, none for ESP: --all shows them. A module that isn't loaded isn't listed.`] : []),
    '',
  ].join('\n')
}

/** `aes128, aes192, aes256 with sha1, sha256` instead of six proposals. */
function short(proposals: readonly string[]): string {
  const alone = proposals.filter((one) => !one.includes('-'))
  const pairs = proposals.filter((one) => one.includes('-')).map((one) => one.split('-') as [string, string])
  const unique = (parts: string[]) => [...new Set(parts)].join(', ')
  const both = pairs.length === 0 ? [] : [`${unique(pairs.map(([c]) => c))} with ${unique(pairs.map(([, h]) => h))}`]
  return [...(alone.length > 0 ? [alone.join(', ')] : []), ...both].join('; ')
}

function columns(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]!.length)))
  return rows
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
