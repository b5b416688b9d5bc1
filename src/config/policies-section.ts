// The `policies:` section: IPsec policies in the terms of Windows, from what is written to the value with names resolved, and what no single key can say.
import { z } from 'zod'
import { isWeak } from '../algorithms/levels.ts'
import { parseEspProposal, showEspProposal } from '../algorithms/proposals.ts'
import { groupNames } from '../algorithms/registry.ts'
import type {
  AuthenticationMethod,
  Filter,
  FilterAction,
  FilterList,
  Method,
  Policies,
  Policy,
  Rule,
  Side,
} from '../policy/policy.ts'
import { noPolicies } from '../policy/policy.ts'
import { hasPorts, protocolNames } from '../policy/selector.ts'
import { hostNetwork, parseNetwork, showNetwork } from '../wire/network.ts'
import { Secret } from '../wire/secret.ts'
import { nearest } from './nearest.ts'
import { bool, duration, ipv4, kilobytes, scalar, Wrong } from './scalars.ts'
import type { Problem } from './validate.ts'

const sideWords = ['me', 'any', 'dns', 'gateway'] as const

const side = scalar((text): Side | Wrong => {
  const word = sideWords.find((each) => each === text.toLowerCase())
  if (word) return word
  const host = hostNetwork(text)
  if (host) return host
  const network = parseNetwork(text)
  if (network) {
    const right = showNetwork(network)
    return right === text ? network : new Wrong(`${right} is right for that network`)
  }
  const hint = nearest(text, sideWords)
  return new Wrong(
    `me, any, dns, gateway, an address or a network such as 10.1.0.0/16 is right${hint ? ` (did you mean ${hint}?)` : ''}`,
  )
})

const protocol = scalar((text) => {
  if (text === 'any') return 0
  const known = [...protocolNames].find(([, name]) => name === text.toLowerCase())
  if (known) return known[0]
  const value = /^\d{1,3}$/.test(text) ? Number(text) : 0
  if (value >= 1 && value <= 255) return value
  const hint = nearest(text, [...protocolNames.values(), 'any'])
  return new Wrong(`any, tcp, udp, icmp or a number from 1 to 255 is right${hint ? ` (did you mean ${hint}?)` : ''}`)
})

const port = scalar((text) => {
  if (text === 'any') return 0
  const value = /^[1-9]\d{0,4}$/.test(text) ? Number(text) : 65_536
  return value < 65_536 ? value : new Wrong('any or one port from 1 to 65535 is right; a filter has no port ranges')
})

const title = scalar((text) =>
  /^\P{C}{1,128}$/u.test(text) ? text : new Wrong('a name of 1 to 128 characters on one line is right'),
)

const proposal = scalar((text) => {
  const parsed = parseEspProposal(text)
  if (parsed.is === 'fault') return new Wrong(parsed.fault)
  if (parsed.proposal.group !== undefined) return new Wrong('without a group is right: "pfs:" says it for all methods')
  return parsed.proposal
})

const secret = z
  .string()
  .min(1, 'a secret of at least one character is right')
  .transform((text) => new Secret(text))

const authentication = z
  .array(
    z.strictObject({
      preSharedKey: secret.optional(),
      certificate: scalar((text) => (text === 'any' ? '' : text)).optional(),
    }),
  )
  .default([])

const methods = z.array(proposal).default([])

/** Our own: how long a soft association lasts, in seconds; Windows' default. */
const softSeconds = 300

export const policiesSchema = z.strictObject({
  assigned: title.optional(),
  builtInL2tpRule: bool.default(true),
  filterLists: z
    .array(
      z.strictObject({
        name: title,
        filters: z.array(
          z.strictObject({
            source: side,
            destination: side,
            protocol: protocol.default(0),
            sourcePort: port.default(0),
            destinationPort: port.default(0),
            mirrored: bool.default(true),
          }),
        ),
      }),
    )
    .default([]),
  filterActions: z
    .array(
      z.strictObject({
        name: title,
        action: z.enum(['permit', 'block', 'negotiate']),
        methods,
        lifetime: duration(300, 86_400).optional(),
        data: kilobytes.optional(),
        pfs: z.enum(groupNames as [string, ...string[]]).optional(),
        acceptUnsecured: bool.default(false),
        allowUnsecured: bool.default(false),
        softLifetime: duration(10, 86_400).optional(),
      }),
    )
    .default([]),
  policies: z
    .array(
      z.strictObject({
        name: title,
        rules: z
          .array(
            z.strictObject({
              name: title,
              filterList: title,
              filterAction: title,
              authentication,
              tunnelEndpoint: ipv4.optional(),
              connection: z.enum(['all', 'lan', 'remote-access']).default('all'),
              enabled: bool.default(true),
            }),
          )
          .default([]),
        defaultResponse: z.strictObject({ methods, authentication }).optional(),
      }),
    )
    .default([]),
})

type Written = z.output<typeof policiesSchema>
type WrittenAction = Written['filterActions'][number]
type Path = readonly PropertyKey[]
type Say = (path: Path, message: string, severity?: 'error' | 'warning') => void

/** The value, with what is wrong added to `problems`. */
export function policiesOf(written: Written | undefined, problems: Problem[]): Policies {
  if (!written) return noPolicies
  const say: Say = (path, message, severity = 'error') =>
    problems.push({ severity, path: ['policies', ...path], message })
  const lists = written.filterLists.map((list, i): FilterList => {
    for (const [j, filter] of list.filters.entries()) checkFilter(filter, ['filterLists', i, 'filters', j], say)
    if (list.filters.length === 0) say(['filterLists', i, 'filters'], 'it is empty; at least one filter is right')
    return list
  })
  const actions = [
    ...written.filterActions.map((action, i) => actionOf(action, ['filterActions', i], say)),
    ...builtInActions.filter(({ name }) => !written.filterActions.some((action) => action.name === name)),
  ]
  once(written.filterLists, ['filterLists'], say)
  once(written.filterActions, ['filterActions'], say)
  once(written.policies, ['policies'], say)
  const policies = written.policies.map((policy, i): Policy => {
    const path = ['policies', i]
    once(policy.rules, [...path, 'rules'], say)
    const response = policy.defaultResponse
    return {
      name: policy.name,
      rules: policy.rules.flatMap((rule, j) => ruleOf(rule, lists, actions, [...path, 'rules', j], say) ?? []),
      defaultResponse: response && {
        methods: methodsOf(response.methods, undefined, undefined, [...path, 'defaultResponse', 'methods'], say),
        authentication: authenticationOf(response.authentication, [...path, 'defaultResponse', 'authentication'], say),
      },
    }
  })
  const value = { policies, assigned: written.assigned, builtInL2tpRule: written.builtInL2tpRule }
  checkAssigned(value, say)
  return value
}

/** They need no entry of their own. */
const builtInActions: readonly FilterAction[] = [
  { name: 'Permit', is: 'permit' },
  { name: 'Block', is: 'block' },
]

function once(named: readonly { readonly name: string }[], path: Path, say: Say): void {
  named.forEach(({ name }, i) => {
    const first = named.findIndex((other) => other.name === name)
    if (first !== i)
      say([...path, i, 'name'], `"${name}" is there already, as number ${first + 1}; a name once is right`)
  })
}

function checkFilter(filter: Filter, path: Path, say: Say): void {
  if ((filter.sourcePort !== 0 || filter.destinationPort !== 0) && !hasPorts(filter.protocol))
    say(
      [...path, filter.sourcePort === 0 ? 'destinationPort' : 'sourcePort'],
      'only tcp and udp have ports; "protocol: udp" beside it is right',
    )
  if (filter.source === 'me' && filter.destination === 'me')
    say([...path, 'destination'], 'from me to me never leaves this machine; any, an address or a network is right')
}

function methodsOf(
  written: WrittenAction['methods'],
  seconds: number | undefined,
  kilobytesLimit: number | undefined,
  path: Path,
  say: Say,
): Method[] {
  if (written.length === 0)
    say(path, 'a negotiation needs methods, best first; "methods: [aes128gcm16, aes128-sha1]" is right')
  written.forEach((each, i) => {
    const text = showEspProposal(each)
    if (written.findIndex((other) => showEspProposal(other) === text) !== i)
      say([...path, i], `${text} is there already; each method once is right`)
    else if (isWeak(each)) say([...path, i], `${text} is weak; SAs that use it are shown as weak`, 'warning')
  })
  return written.map((each) => ({ proposal: each, seconds, kilobytes: kilobytesLimit }))
}

function actionOf(written: WrittenAction, path: Path, say: Say): FilterAction {
  const { name, action } = written
  if (action !== 'negotiate') {
    const used = {
      methods: written.methods.length > 0,
      lifetime: written.lifetime !== undefined,
      data: written.data !== undefined,
      pfs: written.pfs !== undefined,
      acceptUnsecured: written.acceptUnsecured,
      allowUnsecured: written.allowUnsecured,
      softLifetime: written.softLifetime !== undefined,
    }
    for (const [key, set] of Object.entries(used))
      if (set) say([...path, key], `it is for "action: negotiate"; ${action} needs nothing more`)
    return { name, is: action }
  }
  if (written.softLifetime !== undefined && !written.allowUnsecured)
    say([...path, 'softLifetime'], 'soft associations are off; "allowUnsecured: true" beside it is right')
  return {
    name,
    is: 'negotiate',
    methods: methodsOf(written.methods, written.lifetime, written.data, [...path, 'methods'], say),
    pfs: groupNames.find((group) => group === written.pfs),
    acceptUnsecured: written.acceptUnsecured,
    softSeconds: written.allowUnsecured ? (written.softLifetime ?? softSeconds) : undefined,
  }
}

function authenticationOf(
  written: Written['policies'][number]['rules'][number]['authentication'],
  path: Path,
  say: Say,
): AuthenticationMethod[] {
  return written.flatMap(({ preSharedKey, certificate }, i): AuthenticationMethod[] => {
    if ((preSharedKey === undefined) === (certificate === undefined)) {
      say([...path, i], 'one of "preSharedKey: …" and "certificate: any" (or an authority\'s subject) is right')
      return []
    }
    if (preSharedKey) {
      const length = preSharedKey.reveal().length
      if (length < 8 || length > 255) say([...path, i, 'preSharedKey'], `it has ${length} octets; 8 to 255 are right`)
      return [{ is: 'preSharedKey', key: preSharedKey }]
    }
    return [{ is: 'certificate', authority: certificate === '' ? undefined : certificate }]
  })
}

function ruleOf(
  written: Written['policies'][number]['rules'][number],
  lists: readonly FilterList[],
  actions: readonly FilterAction[],
  path: Path,
  say: Say,
): Rule | undefined {
  const filterList = named(written.filterList, lists, [...path, 'filterList'], say)
  const action = named(written.filterAction, actions, [...path, 'filterAction'], say)
  if (!filterList || !action) return undefined
  const authentication = authenticationOf(written.authentication, [...path, 'authentication'], say)
  if (action.is !== 'negotiate') {
    if (authentication.length > 0)
      say([...path, 'authentication'], `the filter action ${action.name} negotiates nothing; none is right`)
    if (written.tunnelEndpoint)
      say([...path, 'tunnelEndpoint'], `the filter action ${action.name} protects nothing; none is right`)
  } else if (authentication.length === 0) {
    say(
      [...path, 'authentication'],
      'a rule that negotiates needs a method; "authentication: [{ preSharedKey: … }]" is right',
    )
  }
  const { tunnelEndpoint: tunnel, name, connection, enabled } = written
  if (tunnel !== undefined) checkTunnel(filterList, action, path, say)
  return { name, filterList, action, authentication, tunnel, connection, enabled }
}

function checkTunnel(list: FilterList, action: FilterAction, path: Path, say: Say): void {
  const where = [...path, 'tunnelEndpoint']
  if (list.filters.some(({ mirrored }) => mirrored))
    say(
      where,
      `filter list ${list.name} is mirrored; a tunnel takes two rules, each with "mirrored: false": out with the peer's address, in with ours`,
    )
  if (
    list.filters.some(({ sourcePort, destinationPort, protocol: number }) => sourcePort + destinationPort + number > 0)
  )
    say(where, `filter list ${list.name} names a protocol or ports; a tunnel is for all traffic between networks`)
  if (action.is === 'negotiate' && (action.softSeconds !== undefined || action.acceptUnsecured))
    say(
      where,
      `filter action ${action.name} lets clear traffic pass; with a tunnel an action without allowUnsecured and acceptUnsecured is right`,
    )
}

function named<T extends { readonly name: string }>(
  name: string,
  all: readonly T[],
  path: Path,
  say: Say,
): T | undefined {
  const found = all.find((each) => each.name === name)
  if (found) return found
  const names = all.map((each) => each.name)
  const hint = nearest(name, names)
  say(path, `there is no "${name}"; ${hint ? `did you mean ${hint}?` : `known are ${names.join(', ') || 'none'}`}`)
  return undefined
}

function checkAssigned({ policies, assigned, builtInL2tpRule }: Policies, say: Say): void {
  const policy = assigned === undefined ? undefined : named(assigned, policies, ['assigned'], say)
  if (assigned === undefined && policies.length > 0)
    say(['policies'], `none of them is in force; "assigned: ${policies[0]!.name}" is right`, 'warning')
  if (builtInL2tpRule) return
  const replaced = policy?.rules.some(
    (rule) => rule.enabled && rule.action.is === 'negotiate' && rule.tunnel === undefined && protectsL2tp(rule),
  )
  if (!replaced && (assigned === undefined || policy))
    say(
      ['builtInL2tpRule'],
      'no rule of an assigned policy protects UDP 1701 in its place, and L2TP is never spoken in clear; "builtInL2tpRule: true", or a rule with source me, protocol udp, sourcePort 1701 is right',
    )
}

function protectsL2tp({ filterList }: Rule): boolean {
  return filterList.filters.some((filter) => {
    const own = filter.source === 'me' || filter.source === 'any'
    const back = filter.mirrored && (filter.destination === 'me' || filter.destination === 'any')
    const fits = (port: number) => port === 0 || port === 1701
    return (
      (filter.protocol === 0 || filter.protocol === 17) &&
      ((own && fits(filter.sourcePort)) || (back && fits(filter.destinationPort)))
    )
  })
}
