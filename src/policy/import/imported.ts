// What import lines have built so far, and its text as a `policies:` section. Scalars are written as JSON strings, which YAML reads as they are.

export type ImportedFilter = {
  readonly source: string
  readonly destination: string
  readonly protocol: string
  readonly sourcePort: string
  readonly destinationPort: string
  readonly mirrored: boolean
}

export type ImportedAction = {
  readonly name: string
  readonly action: 'permit' | 'block' | 'negotiate'
  readonly methods: readonly string[]
  readonly lifetime: number | undefined
  readonly kilobytes: number | undefined
  readonly pfs: boolean
  readonly acceptUnsecured: boolean
  readonly allowUnsecured: boolean
}

export type ImportedAuthentication = { readonly preSharedKey: string } | { readonly certificate: string }

export type ImportedRule = {
  readonly name: string
  readonly filterList: string
  readonly filterAction: string
  readonly authentication: readonly ImportedAuthentication[]
  readonly tunnelEndpoint: string | undefined
  readonly connection: 'all' | 'lan' | 'remote-access'
  readonly enabled: boolean
}

export type Imported = {
  assigned: string | undefined
  readonly lists: Map<string, ImportedFilter[]>
  readonly actions: Map<string, ImportedAction>
  readonly policies: Map<string, ImportedRule[]>
}

export function nothingImported(): Imported {
  return { assigned: undefined, lists: new Map(), actions: new Map(), policies: new Map() }
}

const text = (value: string) => JSON.stringify(value)

/** The section; empty text where nothing was taken. */
export function sectionOf({ assigned, lists, actions, policies }: Imported): string {
  if (lists.size + actions.size + policies.size === 0) return ''
  const map = (entries: readonly (readonly [string, string | undefined])[]) =>
    `{ ${entries.flatMap(([key, value]) => (value === undefined ? [] : [`${key}: ${value}`])).join(', ')} }`
  const filter = (each: ImportedFilter) =>
    map([
      ['source', each.source],
      ['destination', each.destination],
      ['protocol', each.protocol === 'any' ? undefined : each.protocol],
      ['sourcePort', each.sourcePort === 'any' ? undefined : each.sourcePort],
      ['destinationPort', each.destinationPort === 'any' ? undefined : each.destinationPort],
      ['mirrored', each.mirrored ? undefined : 'false'],
    ])
  const action = (each: ImportedAction) => {
    const negotiates = each.action === 'negotiate'
    return map([
      ['name', text(each.name)],
      ['action', each.action],
      ['methods', negotiates ? `[${each.methods.join(', ')}]` : undefined],
      ['lifetime', each.lifetime === undefined ? undefined : `${each.lifetime}s`],
      ['data', each.kilobytes === undefined ? undefined : `${each.kilobytes}KB`],
      ['pfs', each.pfs ? 'modp2048' : undefined],
      ['acceptUnsecured', each.acceptUnsecured ? 'true' : undefined],
      ['allowUnsecured', each.allowUnsecured ? 'true' : undefined],
    ])
  }
  const rule = (each: ImportedRule) =>
    map([
      ['name', text(each.name)],
      ['filterList', text(each.filterList)],
      ['filterAction', text(each.filterAction)],
      [
        'authentication',
        each.authentication.length === 0
          ? undefined
          : `[${each.authentication.map((method) => map(Object.entries(method).map(([key, value]) => [key, text(value)]))).join(', ')}]`,
      ],
      ['tunnelEndpoint', each.tunnelEndpoint],
      ['connection', each.connection === 'all' ? undefined : each.connection],
      ['enabled', each.enabled ? undefined : 'false'],
    ])
  return [
    'policies:',
    ...(assigned === undefined ? [] : [`  assigned: ${text(assigned)}`]),
    '  filterLists:',
    ...[...lists].flatMap(([name, filters]) => [
      `    - name: ${text(name)}`,
      '      filters:',
      ...filters.map((each) => `        - ${filter(each)}`),
    ]),
    ...(actions.size === 0
      ? []
      : ['  filterActions:', ...[...actions.values()].map((each) => `    - ${action(each)}`)]),
    ...(policies.size === 0 ? [] : ['  policies:']),
    ...[...policies].flatMap(([name, rules]) => [
      `    - name: ${text(name)}`,
      ...(rules.length === 0 ? [] : ['      rules:', ...rules.map((each) => `        - ${rule(each)}`)]),
    ]),
    '',
  ].join('\n')
}
