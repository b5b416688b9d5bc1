// Text in, frozen value or faults out. Faults carry the line and column of the node they speak of, what was found and what would be right.
import { type Document, isMap, isPair, isScalar, LineCounter, type Node, parseDocument } from 'yaml'
import type { z } from 'zod'
import { fileKeys } from './certificates-section.ts'
import type { Configuration, Fault } from './configuration.ts'
import { nearest } from './nearest.ts'
import { schema } from './schema.ts'
import type { BoardPorts } from './system.ts'
import { complete } from './validate.ts'

export type Outcome =
  | { readonly is: 'valid'; readonly configuration: Configuration; readonly warnings: readonly Fault[] }
  | { readonly is: 'faulty'; readonly faults: readonly Fault[] }

/** Reads the file that `{ file: PATH }` names; throws an Error whose message says why it can't. */
export type ReadFile = (path: string) => string

/** The longest text that is read, in characters: more is no configuration. */
const longest = 4_000_000

type Path = readonly PropertyKey[]
type Located = {
  readonly severity: Fault['severity']
  readonly path: Path
  readonly message: string
  readonly key?: boolean
}

/**
 * Parses and checks a configuration (YAML 1.2; every scalar is text until its key's kind is known). Never throws for what the text says.
 * With `board`, ports are those that this board has.
 */
export function parseConfiguration(text: string, readFile: ReadFile, board?: BoardPorts): Outcome {
  if (text.length > longest) {
    return { is: 'faulty', faults: [at(1, 1, `the file has ${text.length} characters; at most ${longest} are read`)] }
  }
  const lines = new LineCounter()
  const document = parseDocument(text, {
    lineCounter: lines,
    schema: 'failsafe',
    merge: false,
    uniqueKeys: true,
    stringKeys: true,
  })
  if (document.errors.length > 0) {
    return {
      is: 'faulty',
      faults: document.errors.map((error) => {
        const { line, col } = lines.linePos(error.pos[0])
        return at(line, col, `${error.message.split(' at line ')[0]!.replace(/\s+/g, ' ')}; well-formed YAML is right`)
      }),
    }
  }
  const root: unknown = plain(document)
  const located: Located[] = []
  const value = insertFiles(root, [], readFile, located)
  const parsed = schema.safeParse(value ?? {})
  if (!parsed.success) located.push(...parsed.error.issues.flatMap((issue) => explain(issue, document)))
  if (!parsed.success || located.length > 0) return { is: 'faulty', faults: place(located, document, lines) }
  const { configuration, problems } = complete(parsed.data, board)
  const faults = place(problems, document, lines)
  return faults.some((fault) => fault.severity === 'error')
    ? { is: 'faulty', faults }
    : { is: 'valid', configuration, warnings: faults }
}

function at(line: number, column: number, message: string): Fault {
  return { severity: 'error', line, column, where: '', message }
}

/** The document as plain values; aliases are followed by the library within its own bound on expansion. */
function plain(document: Document): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 })
  } catch {
    return {}
  }
}

/** The keys whose value may stand in a file of its own. */
const secretKeys = new Set<PropertyKey>(['key', 'preSharedKey', 'password', 'passwordHash', 'tunnelSecret', 'ntHash'])

const certificateKeys = new Set<PropertyKey>(fileKeys)

/** In a list of certificates each may be a file. */
function mayBeFile(path: Path): boolean {
  const key = path.findLast((step) => typeof step === 'string') ?? ''
  return secretKeys.has(path.at(-1) ?? '') || certificateKeys.has(key)
}

/** Replaces `{ file: PATH }` under secret keys by the file's text without its last line break. */
function insertFiles(value: unknown, path: Path, readFile: ReadFile, faults: Located[]): unknown {
  if (Array.isArray(value)) return value.map((item, i) => insertFiles(item, [...path, i], readFile, faults))
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value)
  if (mayBeFile(path) && entries.length === 1 && typeof entries[0]![1] === 'string' && entries[0]![0] === 'file') {
    try {
      return readFile(entries[0]![1]).replace(/\r?\n$/, '')
    } catch (error) {
      faults.push({
        severity: 'error',
        path: [...path, 'file'],
        message: `${(error as Error).message}; a file that can be read is right`,
      })
      return 'unreadable'
    }
  }
  return Object.fromEntries(entries.map(([key, item]) => [key, insertFiles(item, [...path, key], readFile, faults)]))
}

function explain(issue: z.core.$ZodIssue, document: Document): Located[] {
  const error = (path: Path, message: string, key = false): Located => ({ severity: 'error', path, message, key })
  if (issue.code === 'unrecognized_keys') {
    const known = keysAt(issue.path)
    return issue.keys.map((key) => error([...issue.path, key], unknownKey(key, known), true))
  }
  if (issue.code === 'invalid_union') {
    const closest =
      issue.errors
        .flat()
        .find(({ code, path }) => code === 'custom' || code === 'unrecognized_keys' || path.length > 0) ??
      issue.errors.flat()[0]
    return closest ? explain({ ...closest, path: [...issue.path, ...closest.path] } as z.core.$ZodIssue, document) : []
  }
  const found = document.getIn(issue.path, false)
  if (found === undefined) return [error(issue.path, `${name(issue.path)} is missing${example(issue.path)}`)]
  const shown = secretKeys.has(issue.path.at(-1) ?? '')
    ? '[secret]'
    : typeof found === 'string'
      ? JSON.stringify(found)
      : kindOf(found)
  if (issue.code === 'invalid_value') {
    const values = issue.values.map(String)
    const hint = typeof found === 'string' ? nearest(found, values) : undefined
    return [
      error(
        issue.path,
        `found ${shown}; ${values.join(', ')} ${values.length > 1 ? 'are' : 'is'} right${hint ? ` (did you mean ${hint}?)` : ''}`,
      ),
    ]
  }
  if (issue.code === 'invalid_type') return [error(issue.path, `found ${shown}; ${wanted(issue.expected)} is right`)]
  return [error(issue.path, `found ${shown}; ${issue.message}`)]
}

function unknownKey(key: string, known: readonly string[]): string {
  const hint = nearest(key, known)
  return `there is no key ${JSON.stringify(key)} here; ${hint ? `did you mean ${hint}?` : `known are ${known.join(', ')}`}`
}

/** The keys that the schema has at a path, for suggestions. */
function keysAt(path: Path): string[] {
  let node: unknown = schema
  for (const step of path) {
    node = unwrap(node)
    node = typeof step === 'number' ? elementOf(node) : shapeOf(node)?.[step as string]
  }
  return Object.keys(shapeOf(unwrap(node)) ?? {})
}

type Def = {
  innerType?: unknown
  in?: unknown
  element?: unknown
  options?: unknown[]
  shape?: Record<string, unknown>
}

function defOf(node: unknown): Def | undefined {
  return (node as { def?: Def } | undefined)?.def
}

function unwrap(node: unknown): unknown {
  const def = defOf(node)
  return def?.innerType ? unwrap(def.innerType) : def?.in && !def.shape ? unwrap(def.in) : node
}

function shapeOf(node: unknown): Record<string, unknown> | undefined {
  const def = defOf(node)
  return def?.shape ?? def?.options?.map((one) => defOf(unwrap(one))?.shape).find((shape) => shape !== undefined)
}

function elementOf(node: unknown): unknown {
  return defOf(node)?.element ?? defOf(defOf(node)?.options?.[0])?.element
}

function name(path: Path): string {
  return String(path.at(-1) ?? 'the configuration')
}

const examples: Record<string, string> = {
  remoteAccess: 'remoteAccess: { preSharedKey: …, addressPool: 10.99.0.10-10.99.0.250 }',
  preSharedKey: 'preSharedKey: a long random text, or { file: PATH }',
  addressPool: 'addressPool: 10.99.0.10-10.99.0.250',
  name: 'name: alice',
  port: 'port: wan0',
  ports: 'ports: [lan0]',
  server: 'server: 192.0.2.9',
}

function example(path: Path): string {
  const text = examples[name(path)]
  return text ? `; "${text}" is right` : ''
}

function kindOf(value: unknown): string {
  return value === null ? 'nothing' : isMap(value) ? 'a map' : isScalar(value) ? JSON.stringify(value.value) : 'a list'
}

function wanted(expected: string): string {
  return expected === 'string'
    ? 'a single value'
    : expected === 'array'
      ? 'a list'
      : expected === 'object'
        ? 'a map of keys'
        : `a ${expected}`
}

/** Faults with their lines and columns, in the order of the text. */
function place(located: readonly Located[], document: Document, lines: LineCounter): Fault[] {
  return located
    .map(({ severity, path, message, key }) => {
      const node = nodeAt(document, path, key ?? false)
      const { line, col } = lines.linePos(node?.range?.[0] ?? 0)
      return { severity, line: Math.max(line, 1), column: Math.max(col, 1), where: showPath(path), message }
    })
    .sort((a, b) => a.line - b.line || a.column - b.column)
}

/** The node at a path, or of the nearest ancestor that is there; `key`: the key itself, not its value. */
function nodeAt(document: Document, path: Path, key: boolean): Node | undefined {
  for (let length = path.length; length > 0; length--) {
    const parent = length === 1 ? document.contents : document.getIn(path.slice(0, length - 1), true)
    if (isMap(parent)) {
      const pair = parent.items.find(
        (item) => isPair(item) && isScalar(item.key) && item.key.value === path[length - 1],
      )
      if (pair) return ((key || !pair.value ? pair.key : pair.value) ?? undefined) as Node | undefined
    } else {
      const node = document.getIn(path.slice(0, length), true)
      if (node) return node as Node
    }
  }
  return document.contents ?? undefined
}

function showPath(path: Path): string {
  return path
    .map((step, i) => (typeof step === 'number' ? `[${step}]` : i === 0 ? String(step) : `.${String(step)}`))
    .join('')
}
