// `ipseccmd` lines (Windows XP; ipsecpol of Windows 2000 is the same): each becomes a filter list, a filter action and a rule.

import type { Imported, ImportedAuthentication, ImportedFilter } from './imported.ts'
import { connectionOf, methodsOf } from './netsh.ts'
import { portText, protocolText, Refusal, sideText } from './words.ts'

const single = new Set(['-soft', '-dialup', '-lan', '-x', '-y', '-o', '-confirm', '-1p'])
const many = new Set(['-f', '-n', '-a', '-t', '-1s', '-1k', '-1f', '-1e', '-w', '-p', '-r'])

/** Takes one line's words behind `ipseccmd`; what was changed comes back, a sentence each. Throws a Refusal. */
export function takeIpseccmd(words: readonly string[], into: Imported): string[] {
  const options = optionsOf(words)
  const changes: string[] = []
  if (options.has('-o')) throw new Refusal('-o deletes; in a file, what is not written is not there')
  for (const flag of ['-1s', '-1k', '-1f', '-1p', '-1e'].filter((each) => options.has(each)))
    changes.push(`${flag} left out: main mode is remoteAccess.ike and remoteAccess.lifetimes here`)
  if (options.has('-y')) changes.push('-y: the policy is not assigned')
  if (options.has('-confirm')) changes.push('-confirm left out: nobody is asked')
  const [policy = 'ipseccmd'] = options.get('-p')?.map((each) => each.split(':')[0]!) ?? []
  const rules = into.policies.get(policy) ?? []
  const name = options.get('-r')?.[0] ?? `rule ${rules.length + 1}`
  const filters = filtersOf(options.get('-f') ?? [])
  const { action, hasAuthentication } = actionOf(options, changes)
  const tunnel = options.get('-t')?.[0]
  if (tunnel !== undefined) sideText(tunnel, undefined)
  const authentication = hasAuthentication ? authenticationOf(options.get('-a') ?? [], changes) : []
  const label = `${policy} ${name}`
  if (into.lists.has(label))
    throw new Refusal(`a rule ${JSON.stringify(name)} of ${JSON.stringify(policy)} is there already`)
  into.lists.set(label, filters)
  into.actions.set(label, { name: label, ...action })
  into.policies.set(policy, [
    ...rules,
    {
      name,
      filterList: label,
      filterAction: label,
      authentication,
      tunnelEndpoint: tunnel,
      connection: connectionOf(options.has('-dialup') ? 'dialup' : options.has('-lan') ? 'lan' : 'all'),
      enabled: true,
    },
  ])
  if (options.has('-x') || !options.has('-w')) into.assigned = policy
  return changes
}

function optionsOf(words: readonly string[]): Map<string, string[]> {
  const options = new Map<string, string[]>()
  let current: string | undefined
  for (const word of words) {
    const option = word.toLowerCase()
    if (single.has(option)) {
      options.set(option, [])
      current = undefined
    } else if (many.has(option)) {
      options.set(option, options.get(option) ?? [])
      current = option
    } else if (current === undefined) {
      throw new Refusal(`${JSON.stringify(word)} belongs to no option that is known`)
    } else options.get(current)!.push(word)
  }
  return options
}

/** `A=B`, or `A+B` for mirrored: addr/mask:port:protocol; `*` is any, `0` is me; in `[…]` passed, in `(…)` dropped. */
function filtersOf(specs: readonly string[]): ImportedFilter[] {
  if (specs.length === 0) throw new Refusal('-f with a filter is missing')
  return specs.map((spec) => {
    if (/^[[(]/.test(spec))
      throw new Refusal(
        `${spec}: permit and block by brackets aren't taken; a rule of their own with -n PASS or -n BLOCK is right`,
      )
    const [, left, sign, right] = /^([^=+]+)([=+])([^=+]+)$/.exec(spec) ?? []
    if (!left || !right) throw new Refusal(`${JSON.stringify(spec)} is no filter; SOURCE+DESTINATION is right`)
    const [source, destination] = [sideOf(left), sideOf(right)]
    const protocol = destination.protocol ?? source.protocol ?? 'any'
    if ((source.port !== 'any' || destination.port !== 'any') && !['tcp', 'udp'].includes(protocol))
      throw new Refusal(`${spec}: a port needs TCP or UDP behind it`)
    return {
      source: source.side,
      destination: destination.side,
      protocol,
      sourcePort: source.port,
      destinationPort: destination.port,
      mirrored: sign === '+',
    }
  })
}

function sideOf(text: string): { side: string; port: string; protocol: string | undefined } {
  const [where = '', port = '', protocol] = text.split(':')
  const [address = '', mask] = where.split('/')
  const starred = /^\d+(\.\d+){0,2}\.\*/.test(address)
  if (starred) {
    const parts = address.split('.').filter((part) => part !== '*')
    const filled = [...parts, '0', '0', '0'].slice(0, 4).join('.')
    return {
      side: sideText(filled, String(parts.length * 8)),
      port: portText(port),
      protocol: protocol === undefined ? undefined : protocolText(protocol),
    }
  }
  return {
    side: sideText(address, mask),
    port: portText(port),
    protocol: protocol === undefined ? undefined : protocolText(protocol),
  }
}

function actionOf(options: Map<string, string[]>, changes: string[]) {
  const methods = options.get('-n') ?? []
  const none = {
    methods: [],
    lifetime: undefined,
    kilobytes: undefined,
    pfs: false,
    acceptUnsecured: false,
    allowUnsecured: false,
  }
  const words = methods.map((each) => each.toUpperCase())
  if (words.includes('PASS')) return { action: { action: 'permit' as const, ...none }, hasAuthentication: false }
  if (words.includes('BLOCK')) return { action: { action: 'block' as const, ...none }, hasAuthentication: false }
  const acceptUnsecured = words.includes('INPASS')
  const taken = methodsOf(
    methods.filter((each) => each.toUpperCase() !== 'INPASS'),
    changes,
  )
  if (taken.pfs) changes.push('PFS with modp2048 for all methods')
  const action = { action: 'negotiate' as const, ...taken, acceptUnsecured, allowUnsecured: options.has('-soft') }
  return { action, hasAuthentication: true }
}

/** `PRESHARE:"key"`, `CERT:"CN=…"`, `KERBEROS`. */
function authenticationOf(words: readonly string[], changes: string[]): ImportedAuthentication[] {
  const found = words.flatMap((word): ImportedAuthentication[] => {
    const at = word.indexOf(':')
    const kind = (at < 0 ? word : word.slice(0, at)).toUpperCase()
    const value = at < 0 ? '' : word.slice(at + 1)
    if (kind.startsWith('P') && value !== '') return [{ preSharedKey: value }]
    if (kind.startsWith('C') && value !== '') return [{ certificate: value }]
    if (!kind.startsWith('K')) throw new Refusal(`-a ${kind}: PRESHARE:"…" or CERT:"…" is right`)
    changes.push('Kerberos left out: it is not spoken here')
    return []
  })
  if (found.length > 0) return found
  throw new Refusal('-a PRESHARE:"…" or -a CERT:"…" is needed; Kerberos, the default there, is not spoken here')
}
