// `netsh ipsec static` lines: add filter, filterlist, filteraction, policy, rule; set policy … assign. Tags are taken in any order, with or without `netsh ipsec static`.
import type { Imported, ImportedAuthentication } from './imported.ts'
import { methodOf, portText, protocolText, Refusal, sideText } from './words.ts'

/** What was changed on the way, a sentence each. */
type Changes = string[]
type Tags = ReadonlyMap<string, readonly string[]>

/** Takes one line's words behind `netsh ipsec static`; throws a Refusal. */
export function takeNetsh(words: readonly string[], into: Imported): Changes {
  const [verb = '', noun = '', ...rest] = words.map((word, i) => (i < 2 ? word.toLowerCase() : word))
  const tags = tagsOf(rest)
  if (verb === 'add' && noun === 'filterlist') return addList(tags, into)
  if (verb === 'add' && noun === 'filter') return addFilter(tags, into)
  if (verb === 'add' && noun === 'filteraction') return addAction(tags, into)
  if (verb === 'add' && noun === 'policy') return addPolicy(tags, into)
  if (verb === 'add' && noun === 'rule') return addRule(tags, into)
  if (verb === 'set' && noun === 'policy') return setPolicy(tags, into)
  throw new Refusal(
    `"${verb} ${noun}" isn't taken; add filterlist, filter, filteraction, policy and rule, and set policy … assign=yes are`,
  )
}

function tagsOf(words: readonly string[]): Tags {
  const tags = new Map<string, string[]>()
  for (const word of words) {
    const at = word.indexOf('=')
    if (at < 1) throw new Refusal(`${JSON.stringify(word)} has no tag; "name=…" is right`)
    const tag = word.slice(0, at).toLowerCase()
    tags.set(tag, [...(tags.get(tag) ?? []), word.slice(at + 1)])
  }
  return tags
}

const one = (tags: Tags, tag: string) => tags.get(tag)?.[0]

function needed(tags: Tags, tag: string): string {
  const value = one(tags, tag)
  if (!value) throw new Refusal(`${tag}= is missing`)
  return value
}

function yes(tags: Tags, tag: string, otherwise: boolean): boolean {
  const value = one(tags, tag)?.toLowerCase()
  if (value === undefined) return otherwise
  if (['yes', 'y'].includes(value)) return true
  if (['no', 'n'].includes(value)) return false
  throw new Refusal(`${tag}=${value}: yes or no is right`)
}

function onlyKnown(tags: Tags, known: readonly string[]): Changes {
  const unknown = [...tags.keys()].filter((tag) => !known.includes(tag) && tag !== 'description')
  if (unknown.length > 0) throw new Refusal(`${unknown.join(', ')}: no such tag here; known are ${known.join(', ')}`)
  return []
}

function addList(tags: Tags, { lists }: Imported): Changes {
  const changes = onlyKnown(tags, ['name'])
  const name = needed(tags, 'name')
  if (lists.has(name)) throw new Refusal(`a filter list ${JSON.stringify(name)} is there already`)
  lists.set(name, [])
  return changes
}

function addFilter(tags: Tags, { lists }: Imported): Changes {
  const changes = onlyKnown(tags, [
    'filterlist',
    'srcaddr',
    'dstaddr',
    'protocol',
    'mirrored',
    'srcmask',
    'dstmask',
    'srcport',
    'dstport',
  ])
  const list = needed(tags, 'filterlist')
  const filter = {
    source: sideText(needed(tags, 'srcaddr'), one(tags, 'srcmask')),
    destination: sideText(needed(tags, 'dstaddr'), one(tags, 'dstmask')),
    protocol: protocolText(one(tags, 'protocol') ?? 'any'),
    sourcePort: portText(one(tags, 'srcport') ?? '0'),
    destinationPort: portText(one(tags, 'dstport') ?? '0'),
    mirrored: yes(tags, 'mirrored', true),
  }
  if (filter.sourcePort !== filter.destinationPort && !['tcp', 'udp'].includes(filter.protocol))
    throw new Refusal('a port needs protocol=tcp or protocol=udp')
  lists.set(list, [...(lists.get(list) ?? []), filter])
  return changes
}

function addAction(tags: Tags, { actions }: Imported): Changes {
  const changes = onlyKnown(tags, ['name', 'qmpfs', 'inpass', 'soft', 'action', 'qmsecmethods'])
  const name = needed(tags, 'name')
  const action = (one(tags, 'action') ?? 'negotiate').toLowerCase()
  if (action !== 'permit' && action !== 'block' && action !== 'negotiate')
    throw new Refusal(`action=${action}: permit, block or negotiate is right`)
  if (action !== 'negotiate') {
    const none = { methods: [], lifetime: undefined, kilobytes: undefined }
    actions.set(name, { name, action, ...none, pfs: false, acceptUnsecured: false, allowUnsecured: false })
    return changes
  }
  const written = one(tags, 'qmsecmethods')
  const { methods, lifetime, kilobytes } = methodsOf(
    (written ?? '').split(/\s+/).filter((each) => each !== ''),
    changes,
  )
  const pfs = yes(tags, 'qmpfs', false)
  if (pfs) changes.push("PFS with modp2048: Windows takes main mode's group")
  actions.set(name, {
    name,
    action,
    methods,
    lifetime,
    kilobytes,
    pfs,
    acceptUnsecured: yes(tags, 'inpass', false),
    allowUnsecured: yes(tags, 'soft', false),
  })
  return changes
}

/** All methods of a list share the shortest lifetimes; those that can't be carried fall out, as long as one is left. */
export function methodsOf(written: readonly string[], changes: Changes) {
  const taken = written.flatMap((text) => {
    try {
      return [methodOf(text)]
    } catch (error) {
      changes.push(`left out: ${(error as Error).message}`)
      return []
    }
  })
  if (taken.length === 0) {
    if (written.length > 0) throw new Refusal(`no security method can be carried: ${changes.join('; ')}`)
    changes.push('no methods given: aes128gcm16 and aes128-sha1 are taken')
    return { methods: ['aes128gcm16', 'aes128-sha1'], lifetime: undefined, kilobytes: undefined, pfs: false }
  }
  const least = (values: readonly (number | undefined)[], floor: number, most: number, unit: string) => {
    const given = values.filter((value) => value !== undefined && value > 0) as number[]
    if (given.length === 0) return undefined
    const shortest = Math.min(...given)
    if (new Set(given).size > 1) changes.push(`the shortest lifetime, ${shortest} ${unit}, for all methods`)
    const right = Math.min(most, Math.max(floor, shortest))
    if (right !== shortest) changes.push(`${shortest} ${unit} became ${right}, which is the nearest allowed`)
    return right
  }
  return {
    methods: [...new Set(taken.map(({ proposal }) => proposal))],
    lifetime: least(
      taken.map(({ seconds }) => seconds),
      300,
      86_400,
      's',
    ),
    kilobytes: least(
      taken.map(({ kilobytes }) => kilobytes),
      2560,
      4_000_000_000,
      'kB',
    ),
    pfs: taken.some(({ pfs }) => pfs),
  }
}

function addPolicy(tags: Tags, into: Imported): Changes {
  onlyKnown(tags, [
    'name',
    'mmpfs',
    'qmpermm',
    'mmlifetime',
    'activatedefaultrule',
    'pollinginterval',
    'assign',
    'mmsecmethods',
  ])
  const name = needed(tags, 'name')
  if (into.policies.has(name)) throw new Refusal(`a policy ${JSON.stringify(name)} is there already`)
  const assign = yes(tags, 'assign', false)
  const changes = mainModeChanges(tags)
  into.policies.set(name, [])
  if (assign) into.assigned = name
  return changes
}

function mainModeChanges(tags: Tags): Changes {
  const here = ['mmpfs', 'qmpermm', 'mmlifetime', 'mmsecmethods'].filter((tag) => tags.has(tag))
  return [
    ...(here.length === 0
      ? []
      : [`${here.join(', ')} left out: main mode is remoteAccess.ike and remoteAccess.lifetimes here`]),
    ...(tags.has('pollinginterval') ? ['pollinginterval left out: a changed file is read at once (SIGHUP)'] : []),
    ...(tags.has('activatedefaultrule') && yes(tags, 'activatedefaultrule', false)
      ? ['activatedefaultrule left out: "defaultResponse:" with its methods and authentication is right']
      : []),
  ]
}

function setPolicy(tags: Tags, into: Imported): Changes {
  onlyKnown(tags, ['name', 'assign'])
  const name = needed(tags, 'name')
  if (!into.policies.has(name)) throw new Refusal(`there is no policy ${JSON.stringify(name)} before this line`)
  if (yes(tags, 'assign', false)) into.assigned = name
  else if (into.assigned === name) into.assigned = undefined
  return []
}

function addRule(tags: Tags, into: Imported): Changes {
  const changes = onlyKnown(tags, [
    'name',
    'policy',
    'filterlist',
    'filteraction',
    'tunnel',
    'conntype',
    'activate',
    'kerberos',
    'psk',
    'rootca',
  ])
  const policy = needed(tags, 'policy')
  const rules = into.policies.get(policy)
  if (!rules) throw new Refusal(`there is no policy ${JSON.stringify(policy)} before this line`)
  const filterList = needed(tags, 'filterlist')
  const filterAction = needed(tags, 'filteraction')
  if (!into.lists.get(filterList)?.length)
    throw new Refusal(`there is no filter list ${JSON.stringify(filterList)} with filters before this line`)
  const action = into.actions.get(filterAction)
  if (!action) throw new Refusal(`there is no filter action ${JSON.stringify(filterAction)} before this line`)
  const tunnel = one(tags, 'tunnel')
  if (tunnel !== undefined) sideText(tunnel, undefined)
  const authentication = action.action === 'negotiate' ? authenticationOf(tags, changes) : []
  rules.push({
    name: needed(tags, 'name'),
    filterList,
    filterAction,
    authentication,
    tunnelEndpoint: tunnel,
    connection: connectionOf(one(tags, 'conntype')),
    enabled: yes(tags, 'activate', true),
  })
  return changes
}

export function connectionOf(text: string | undefined): 'all' | 'lan' | 'remote-access' {
  const word = (text ?? 'all').toLowerCase()
  if (word === 'all' || word === 'lan') return word
  if (word === 'dialup') return 'remote-access'
  throw new Refusal(`conntype=${word}: lan, dialup or all is right`)
}

function authenticationOf(tags: Tags, changes: Changes): ImportedAuthentication[] {
  const found: ImportedAuthentication[] = []
  for (const [tag, values] of tags) {
    if (tag === 'psk') found.push(...values.map((preSharedKey) => ({ preSharedKey })))
    if (tag === 'rootca')
      found.push(
        ...values.map((value) => ({ certificate: value.replace(/\s+(certmap|excludecaname):\S+/gi, '').trim() })),
      )
    if (tag === 'kerberos' && yes(tags, 'kerberos', false)) changes.push('Kerberos left out: it is not spoken here')
  }
  if (found.length > 0) return found
  throw new Refusal('a rule that negotiates needs psk= or rootca=; Kerberos is not spoken here')
}
