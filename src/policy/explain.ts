// Why a packet meets a rule, and what the active filters are, as text for people. Keys are never among it.
import { showEspProposal } from '../algorithms/proposals.ts'
import type { AuthenticationMethod, Method } from './policy.ts'
import { type Packet, showProtocol, showSelector } from './selector.ts'
import { applies, isReached, type SpdEntry } from './spd.ts'

/** One filter as `netdiag /test:ipsec /debug` gave it; a value, so that it can be JSON. */
export type FilterRow = {
  /** Position in the order of decision, from 1. */
  readonly order: number
  readonly filter: string
  readonly rule: string
  readonly policy: string
  readonly filterList: string
  readonly filterAction: string
  readonly action: 'permit' | 'block' | 'negotiate'
  readonly direction: string
  readonly mirror: boolean
  readonly weight: number
  readonly tunnel: string | undefined
  readonly connection: string
  readonly methods: readonly string[]
  readonly pfs: string | undefined
  readonly authentication: readonly string[]
  readonly acceptUnsecured: boolean
  readonly softSeconds: number | undefined
  /** An earlier entry means all of its packets. */
  readonly neverReached: boolean
}

export function filterRows(spd: readonly SpdEntry[]): FilterRow[] {
  return spd.map((entry, i) => {
    const protect = typeof entry.action === 'string' ? undefined : entry.action.protect
    return {
      order: i + 1,
      filter: showSelector(entry.selector),
      rule: entry.rule.rule,
      policy: entry.rule.policy ?? (entry.rule.is === 'exemption' ? '(exempt)' : '(built in)'),
      filterList: entry.rule.filterList,
      filterAction: entry.rule.filterAction,
      action: typeof entry.action === 'string' ? entry.action : 'negotiate',
      direction: entry.direction,
      mirror: entry.rule.mirror,
      weight: entry.weight,
      tunnel: entry.tunnel,
      connection: entry.connection,
      methods: protect?.methods.map(showMethod) ?? [],
      pfs: protect?.pfs,
      authentication: protect?.authentication.map(showAuthentication) ?? [],
      acceptUnsecured: protect?.acceptUnsecured ?? false,
      softSeconds: protect?.softSeconds,
      neverReached: !isReached(spd, i),
    }
  })
}

export function showMethod({ proposal, seconds, kilobytes }: Method): string {
  const limits = [
    seconds === undefined ? [] : [`${seconds} s`],
    kilobytes === undefined ? [] : [`${kilobytes} kB`],
  ].flat()
  return `${showEspProposal(proposal)}${limits.length === 0 ? '' : ` (renewed after ${limits.join(' or ')})`}`
}

export function showAuthentication(method: AuthenticationMethod): string {
  if (method.is === 'preSharedKey') return 'pre-shared key [secret]'
  return method.authority === undefined ? 'certificate' : `certificate of ${method.authority}`
}

/** The filters as paragraphs. */
export function showFilters(rows: readonly FilterRow[]): string {
  return rows.map(showFilter).join('\n')
}

function showFilter(row: FilterRow): string {
  const negotiates = row.action === 'negotiate'
  const lines: [string, string | undefined][] = [
    ['policy', `${row.policy}, rule ${row.rule}`],
    ['filter list', `${row.filterList}${row.mirror ? ' (mirrored)' : ''}`],
    ['filter action', `${row.filterAction}: ${row.action}`],
    ['direction', `${row.direction}${row.connection === 'all' ? '' : `, ${row.connection} only`}`],
    ['mode', negotiates ? (row.tunnel === undefined ? 'transport' : `tunnel, ends at ${row.tunnel}`) : undefined],
    ['methods', negotiates ? row.methods.join(', ') : undefined],
    ['PFS', negotiates ? (row.pfs ?? 'no') : undefined],
    ['authentication', negotiates ? row.authentication.join(', ') || 'none' : undefined],
    ['unsecured in', negotiates ? (row.acceptUnsecured ? 'accepted' : 'dropped') : undefined],
    ['soft', negotiates ? (row.softSeconds === undefined ? 'never' : `for ${row.softSeconds} s`) : undefined],
    ['weight', `${row.weight}${row.neverReached ? '; never reached: an earlier filter means all of its packets' : ''}`],
  ]
  const text = lines.flatMap(([name, value]) => (value === undefined ? [] : [`     ${`${name}:`.padEnd(16)}${value}`]))
  return [`${String(row.order).padStart(3)}. ${row.filter}`, ...text].join('\n')
}

export type Verdict = {
  readonly packet: string
  readonly action: 'permit' | 'block' | 'negotiate'
  /** Sentences. */
  readonly why: readonly string[]
  readonly decidedBy: FilterRow | undefined
}

/** Which rule the packet meets and why. */
export function explain(spd: readonly SpdEntry[], packet: Packet): Verdict {
  const rows = filterRows(spd)
  const meeting = spd.flatMap((entry, i) => (applies(entry, packet) ? [rows[i]!] : []))
  const [first, ...others] = meeting
  const shown = showPacket(packet)
  if (!first)
    return {
      packet: shown,
      action: 'permit',
      decidedBy: undefined,
      why: ['no filter means it, so it passes as it is', ...nearest(rows, spd, packet)],
    }
  const why = [
    `filter ${first.order} (${first.filter}) means it: ${origin(first)}`,
    consequence(first),
    ...others.map(
      (row) =>
        `filter ${row.order} (${row.filter}) means it too, but is ${row.weight < first.weight ? 'less specific' : 'later'}: ${origin(row)}`,
    ),
  ]
  return { packet: shown, action: first.action, decidedBy: first, why }
}

export function showPacket({ source, destination, protocol, sourcePort, destinationPort }: Packet): string {
  const port = (number: number) => (number === 0 ? '' : `:${number}`)
  return `${source}${port(sourcePort)} -> ${destination}${port(destinationPort)} ${showProtocol(protocol)}`
}

function origin({ policy, rule, filterList, filterAction }: FilterRow): string {
  if (policy === '(exempt)') return `exempt, being ${rule}`
  return `rule ${rule} of ${policy}, filter list ${filterList}, filter action ${filterAction}`
}

function consequence(row: FilterRow): string {
  if (row.action === 'permit') return 'it passes as it is'
  if (row.action === 'block') return 'it is dropped'
  const mode = row.tunnel === undefined ? 'in transport mode' : `in a tunnel that ends at ${row.tunnel}`
  if (row.rule === 'Default response') return 'it passes as it is, unless the peer asks for IPsec'
  const clear = [
    row.acceptUnsecured ? 'in clear it is accepted when it comes in' : undefined,
    row.softSeconds === undefined
      ? undefined
      : `with a peer that doesn't answer IKE it passes in clear for ${row.softSeconds} s, as a soft association`,
  ].filter((part) => part !== undefined)
  return `it is protected ${mode} by ${row.methods.join(', or ')}; ${clear.length === 0 ? 'without an SA it is dropped' : clear.join('; ')}`
}

/** The filters of rules that differ in one thing only: what a person who wonders why none fits would look for. */
function nearest(rows: readonly FilterRow[], spd: readonly SpdEntry[], packet: Packet): string[] {
  return spd.flatMap(({ selector, rule }, i) => {
    if (rule.is === 'exemption' || rule.is === 'default-response') return []
    const any = { address: '0.0.0.0', prefix: 0 }
    const tries: [string, typeof selector][] = [
      [`the source ${packet.source}`, { ...selector, source: any }],
      [`the destination ${packet.destination}`, { ...selector, destination: any }],
      [
        `the protocol ${showProtocol(packet.protocol)}`,
        { ...selector, protocol: 0, sourcePort: 0, destinationPort: 0 },
      ],
      ['the ports', { ...selector, sourcePort: 0, destinationPort: 0 }],
    ]
    const off = tries.find(([, relaxed]) => applies({ ...spd[i]!, selector: relaxed }, packet))
    return off ? [`filter ${rows[i]!.order} (${rows[i]!.filter}) would mean it but for ${off[0]}`] : []
  })
}
