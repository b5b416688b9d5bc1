// `gatehouse policy`: which rule a packet would meet and why, the active filters, and the import of what administrators of Windows have.
import { readFileSync } from 'node:fs'
import process from 'node:process'
import type { Configuration } from '../config/configuration.ts'
import { policyLines, saTable } from '../console/status-tables.ts'
import { policyFactsOf } from '../gateway/policies.ts'
import { LinuxPacketPolicy } from '../platform/linux/policy-filter.ts'
import { explain, type FilterRow, filterRows, showFilters } from '../policy/explain.ts'
import { importLines, showAnswers } from '../policy/import/import.ts'
import { hasPorts, type Packet, protocolNames } from '../policy/selector.ts'
import { compile, type SpdEntry } from '../policy/spd.ts'
import { ipv4Number } from '../wire/address.ts'
import { command, parse, stateFolder, UsageError } from './arguments.ts'
import { loadConfiguration, showFault } from './load.ts'
import { openOrExplain } from './status.ts'

const usage =
  'gatehouse policy test SRC DST PROTO [SPORT:]PORT --config FILE | show [--config FILE] [--json] | import FILE'

/** The longest script that is read, in octets. */
const longestScript = 1_000_000

export function run(args: readonly string[]): Promise<number> {
  return command('policy', async () => {
    const { values, positionals } = parse({
      args: [...args],
      allowPositionals: true,
      options: { config: { type: 'string' }, state: { type: 'string' }, json: { type: 'boolean' } },
    })
    const [verb, ...rest] = positionals
    if (verb === 'test') return test(rest, values)
    if (verb === 'show' && rest.length === 0) return show(values)
    if (verb === 'import' && rest.length === 1) return importFile(rest[0]!)
    throw new UsageError(`one of these is right: ${usage}`)
  })
}

type Values = { readonly config?: string; readonly state?: string; readonly json?: boolean }

function test(words: readonly string[], { config, json }: Values): number {
  if (config === undefined) throw new UsageError('a configuration is needed: --config FILE')
  const packet = packetOf(words)
  const spd = spdOf(config)
  if (spd === undefined) return 2
  const verdict = explain(spd, packet)
  if (json) process.stdout.write(`${JSON.stringify(verdict, null, 2)}\n`)
  else
    process.stdout.write(
      `${[`${verdict.packet}: ${verdict.action}`, ...verdict.why.map((each) => `  ${each}`)].join('\n')}\n`,
    )
  return 0
}

/** `SRC DST PROTO [SPORT:]DPORT`; without a port: one that is none of anybody's. */
export function packetOf([source = '', destination = '', proto = '', ports = '0', ...rest]: readonly string[]): Packet {
  if (ipv4Number(source) === undefined || ipv4Number(destination) === undefined || rest.length > 0)
    throw new UsageError(`two IPv4 addresses, a protocol and a port are right: ${usage}`)
  const protocol =
    [...protocolNames].find(([, name]) => name === proto.toLowerCase())?.[0] ?? Number(proto || Number.NaN)
  if (!Number.isInteger(protocol) || protocol < 1 || protocol > 255)
    throw new UsageError(`protocol ${JSON.stringify(proto)}: tcp, udp, icmp or a number from 1 to 255 is right`)
  const [, from = '0', to = ''] = /^(?:(\d{1,5}):)?(\d{1,5})$/.exec(ports) ?? []
  if (to === '' || Number(from) > 65_535 || Number(to) > 65_535)
    throw new UsageError(`port ${JSON.stringify(ports)}: a port, or SOURCE:DESTINATION, is right`)
  if (!hasPorts(protocol)) return { source, destination, protocol, sourcePort: 0, destinationPort: 0 }
  return { source, destination, protocol, sourcePort: Number(from), destinationPort: Number(to) }
}

/** What the configuration comes to on this machine; undefined, with the faults on stderr, where it is faulty. */
function spdOf(file: string): readonly SpdEntry[] | undefined {
  const outcome = loadConfiguration(file)
  if (outcome.is === 'valid') return compiled(outcome.configuration)
  for (const fault of outcome.faults) process.stderr.write(`${showFault(file, fault)}\n`)
  return undefined
}

function compiled(configuration: Configuration): readonly SpdEntry[] {
  return compile(configuration.policies, policyFactsOf(configuration, new LinuxPacketPolicy().facts()))
}

async function show({ config, state, json }: Values): Promise<number> {
  if (config !== undefined) {
    const spd = spdOf(config)
    if (spd === undefined) return 2
    const filters = filterRows(spd)
    process.stdout.write(json ? `${JSON.stringify({ filters }, null, 2)}\n` : `${showFilters(filters)}\n`)
    return 0
  }
  const control = await openOrExplain(stateFolder(state))
  if (control === undefined) return 3
  const { policy, ikeSas, events, counters } = await control.status()
  control.close()
  if (json) {
    process.stdout.write(`${JSON.stringify({ policy, ikeSas, events, counters }, null, 2)}\n`)
    return 0
  }
  const numbers = Object.entries({ ...events, ...counters }).filter(([name]) => /^(ike|policy|spi|esp)/i.test(name))
  process.stdout.write(
    [
      `assigned policy: ${policy?.assigned ?? 'none'}; built-in L2TP rule: ${policy?.builtInL2tpRule ? 'on' : 'off'}`,
      '',
      showFilters((policy?.filters ?? []) as readonly FilterRow[]),
      '',
      ...policyLines(policy),
      saTable(ikeSas),
      '',
      ...numbers.map(([name, value]) => `${name}: ${value}`),
      '',
    ].join('\n'),
  )
  return 0
}

function importFile(file: string): number {
  const text = readFileSync(file === '-' ? 0 : file)
  if (text.length > longestScript)
    throw new Error(`${file} has ${text.length} octets; at most ${longestScript} are read`)
  // Scripts of Windows are often UTF-16.
  const encoding = text[0] === 0xff && text[1] === 0xfe ? 'utf-16le' : 'utf-8'
  const outcome = importLines(new TextDecoder(encoding).decode(text))
  process.stderr.write(`${showAnswers(outcome.answers)}\n`)
  process.stdout.write(outcome.yaml)
  return outcome.answers.some(({ is }) => is === 'refused') ? 1 : 0
}
