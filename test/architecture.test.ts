// Who may import whom, as a table with a reason per row. The design's table, read from the sources: a row that nobody obeys fails here.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import { describe, expect, test } from 'vitest'

type Row = {
  /** Folders under src, or `folder/file.ts`, that the folder may import beside itself. */
  readonly ours: readonly string[]
  /** Folders of which only types may be imported. */
  readonly typesOf?: readonly string[]
  /** npm packages; `node:…` names modules of Node, `node:*` all of them. */
  readonly packages: readonly string[]
  readonly why: string
  /** No clock, randomness, timers, promises: results depend on inputs alone. */
  readonly deterministic?: true
}

const leaves = ['algorithms', 'wire']
const protocols = ['ike', 'l2tp', 'ppp', 'auth', 'aaa', 'dhcp']

const rows: Readonly<Record<string, Row>> = {
  algorithms: { ours: [], packages: [], why: 'a leaf must be readable alone', deterministic: true },
  wire: { ours: [], packages: [], why: 'a leaf must be readable alone', deterministic: true },
  control: {
    ours: ['wire'],
    packages: ['node:net', 'node:path', 'node:crypto', 'node:zlib'],
    why: 'a leaf: the daemon and its commands share it',
  },
  crypto: { ours: ['algorithms'], packages: ['node:crypto'], why: 'the one door to node:crypto for the protocols' },
  ike: {
    ours: [...leaves, 'crypto', 'auth'],
    packages: [],
    why: 'a machine: certificates, timers and sockets are effects and inputs',
    deterministic: true,
  },
  l2tp: {
    ours: [...leaves, 'crypto'],
    packages: [],
    why: 'a machine; knows of IPsec only what its inputs say',
    deterministic: true,
  },
  ppp: {
    ours: [...leaves, 'crypto', 'auth'],
    packages: [],
    why: 'a machine; authentication is a conversation inside it',
    deterministic: true,
  },
  auth: { ours: [...leaves, 'crypto'], packages: [], why: 'conversations, judged elsewhere', deterministic: true },
  aaa: { ours: [...leaves, 'crypto', 'auth'], packages: [], why: 'judges what auth hands over; users come as values' },
  dhcp: { ours: ['wire'], packages: [], why: 'a pure function, packet in and packet out', deterministic: true },
  pki: {
    ours: [...leaves, 'crypto'],
    packages: ['node:crypto', '@noble/curves/nist.js'],
    why: 'verification is synchronous; issuing lives apart',
  },
  policy: { ours: leaves, packages: [], why: 'ike declares the interface that it consults, not the other way round' },
  config: {
    ours: [...leaves, 'policy'],
    packages: ['yaml', 'zod'],
    why: 'a configuration is a value, not a running object',
  },
  platform: { ours: [...leaves, 'control'], packages: ['node:*', 'pino'], why: 'the outside; it knows no protocol' },
  gateway: {
    ours: [...leaves, 'crypto', ...protocols, 'policy', 'config', 'control', 'pki'],
    typesOf: ['platform'],
    packages: [],
    why: 'tests pass fakes for the platform, so only its interfaces may be known',
  },
  system: {
    ours: ['wire', 'config', 'platform', '..'],
    packages: ['node:*'],
    why: 'the machine around the daemon, set up from a configuration; it knows no protocol',
  },
  monitor: {
    ours: ['wire', 'config', 'control'],
    packages: ['node:*', 'prom-client', 'fastify'],
    why: 'what is shown exists as data',
  },
  console: { ours: ['wire', 'config', 'control'], packages: ['node:*'], why: 'what is shown exists as data' },
  provision: {
    ours: ['wire', 'config', 'control'],
    packages: ['node:*', 'serialport', 'yaml'],
    why: 'it runs on a laptop, without a gateway',
  },
  cli: { ours: ['*'], packages: ['node:*'], why: 'the composition root' },
  'main.ts': { ours: ['*'], packages: ['node:*'], why: 'picks the command' },
}

const source = join(import.meta.dirname, '..', 'src')

type Import = { readonly from: string; readonly to: string; readonly typeOnly: boolean }

function sourceFiles(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.name.endsWith('.test.ts'))
    .map((entry) => relative(source, join(entry.parentPath, entry.name)))
    .sort()
}

const statement =
  /(?:^|\n)\s*(?:import|export)\s+(type\s)?(?:[^'"`;]*?\sfrom\s+)?'([^']+)'|\bimport\(\s*'([^']+)'\s*\)/g

function importsOf(file: string): readonly Import[] {
  const text = readFileSync(join(source, file), 'utf8')
  return [...text.matchAll(statement)].map(([, type, named, dynamic]) => {
    const target = (named ?? dynamic)!
    const to = target.startsWith('.') ? normalize(join(dirname(file), target)) : target
    return { from: file, to, typeOnly: type !== undefined }
  })
}

const folderOf = (path: string) => path.split('/')[0]!
const files = sourceFiles(source)

function fault({ from, to, typeOnly }: Import, row: Row): string | undefined {
  if (!to.endsWith('.ts')) {
    const name = to.startsWith('node:') || !to.includes('/') || to.startsWith('@') ? to : folderOf(to)
    const allowed = row.packages.includes(name) || (to.startsWith('node:') && row.packages.includes('node:*'))
    return allowed ? undefined : `${from} imports ${to}: ${row.why}`
  }
  const folder = folderOf(to)
  if (folder === folderOf(from) || row.ours.includes('*') || row.ours.includes(folder)) return undefined
  if (row.typesOf?.includes(folder))
    return typeOnly ? undefined : `${from} imports more than types of ${to}: ${row.why}`
  return `${from} imports ${to}: ${row.why}`
}

describe('the import table', () => {
  test('every folder has a row', () => {
    const folders = [...new Set(files.map(folderOf))]
    expect(folders.filter((folder) => !(folder in rows))).toEqual([])
  })

  test.each(Object.entries(rows).filter(([folder]) => existsSync(join(source, folder))))('%s', (folder, row) => {
    const all = files.filter((file) => folderOf(file) === folder).flatMap(importsOf)
    expect(all.flatMap((one) => fault(one, row) ?? [])).toEqual([])
  })

  test('nothing but main imports cli, and nothing imports main', () => {
    const wrong = files.flatMap(importsOf).filter(({ from, to }) => {
      if (to === 'main.ts') return true
      return folderOf(to) === 'cli' && folderOf(from) !== 'cli' && from !== 'main.ts'
    })
    expect(wrong).toEqual([])
  })

  test('the addon is loaded in one place', () => {
    const loaders = files.filter((file) => /createRequire|\.node['"`]/.test(readFileSync(join(source, file), 'utf8')))
    expect(loaders.filter((file) => file !== 'platform/addon.ts')).toEqual([])
  })

  test('no file only hands on what others export', () => {
    const barrels = files.filter((file) => {
      const lines = readFileSync(join(source, file), 'utf8').split('\n')
      const code = lines.filter((line) => line.trim() !== '' && !line.startsWith('//'))
      return code.length > 0 && code.every((line) => /^(export .* from |import )/.test(line))
    })
    expect(barrels).toEqual([])
  })
})

/** What makes a result depend on more than its inputs. */
const forbidden = [
  /\bDate\b/,
  /\bMath\.random\b/,
  /\bperformance\b/,
  /\bset(?:Timeout|Interval|Immediate)\b/,
  /\bqueueMicrotask\b/,
  /\bprocess\b\./,
  /\bPromise\b/,
  /\basync\b/,
  /\bawait\b/,
  /\bconsole\./,
  /\bcrypto\.(?:getRandomValues|randomUUID)\b/,
  /\bfetch\(/,
]

function codeOf(file: string): string {
  return readFileSync(join(source, file), 'utf8')
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`/g, "''")
    .replace(/\/\/.*$/gm, '')
}

describe('the cores are deterministic', () => {
  const cores = Object.entries(rows).filter(([folder, row]) => row.deterministic && existsSync(join(source, folder)))

  test.each(cores)('%s: no clock, randomness, timer, promise or environment', (folder) => {
    const found = files
      .filter((file) => folderOf(file) === folder)
      .flatMap((file) =>
        forbidden.filter((pattern) => pattern.test(codeOf(file))).map((pattern) => `${file}: ${pattern}`),
      )
    expect(found).toEqual([])
  })
})

describe('the checks themselves', () => {
  test('find an import in every form', () => {
    const text = [
      "import './side-effect.ts'",
      "import type { A } from './a.ts'",
      "import {\n  b,\n  c,\n} from './b.ts'",
      "export { d } from './d.ts'",
      "const e = await import('./e.ts')",
    ].join('\n')
    const found = [...text.matchAll(statement)].map(([, type, named, dynamic]) => `${type ?? ''}${named ?? dynamic}`)
    expect(found).toEqual(['./side-effect.ts', 'type ./a.ts', './b.ts', './d.ts', './e.ts'])
  })

  test('refuse what the table forbids', () => {
    const row = rows.l2tp!
    expect(fault({ from: 'l2tp/core.ts', to: 'ike/core.ts', typeOnly: false }, row)).toContain(
      'l2tp/core.ts imports ike/core.ts',
    )
    expect(fault({ from: 'l2tp/core.ts', to: 'node:fs', typeOnly: false }, row)).toContain('imports node:fs')
    expect(fault({ from: 'l2tp/core.ts', to: 'wire/codec.ts', typeOnly: false }, row)).toBeUndefined()
    const gateway = rows.gateway!
    const to = 'platform/fast-path.ts'
    expect(fault({ from: 'gateway/x.ts', to, typeOnly: true }, gateway)).toBeUndefined()
    expect(fault({ from: 'gateway/x.ts', to, typeOnly: false }, gateway)).toContain('more than types')
  })
})
