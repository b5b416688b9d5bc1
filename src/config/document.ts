// A configuration as text that people edit: keys set and removed with comments and order kept, secrets hidden where it is shown. What the text
// means is parse.ts's business; here even a faulty one can be edited and shown, as long as it is YAML.
import { type Document, isMap, isScalar, isSeq, parseDocument, Scalar, type YAMLMap, type YAMLSeq } from 'yaml'

/** A step into a map, or to the item of a list whose `name` it is; a number is a place in a list. */
export type Step = string | number
/** What can be set. */
export type Value = string | readonly string[] | { readonly file: string }

/** The text is no YAML, or the path leads nowhere; the message says where and what would be right. */
export class DocumentError extends Error {}

const options = { schema: 'failsafe', merge: false, uniqueKeys: true, stringKeys: true } as const
const formatting = { lineWidth: 0, flowCollectionPadding: true } as const

function documentOf(text: string): Document {
  const document = parseDocument(text, options)
  const [error] = document.errors
  if (error) {
    const where = error.linePos?.[0]
    throw new DocumentError(
      `${where ? `line ${where.line}, column ${where.col}: ` : ''}${error.message.split(' at line ')[0]!.replace(/\s+/g, ' ')}`,
    )
  }
  return document
}

/** The text with a value set; maps on the way, and items of lists by their name, are made where they aren't there. */
export function setValue(text: string, path: readonly Step[], value: Value): string {
  const document = documentOf(text)
  if (document.contents === null || (isScalar(document.contents) && document.contents.value === ''))
    document.contents = document.createNode({}) as never
  let node: unknown = document.contents
  for (const [i, step] of path.slice(0, -1).entries()) node = enter(document, node, step, path, i)
  const last = path.at(-1)!
  const made = nodeOf(document, value)
  if (isMap(node)) {
    const old = node.get(last, true)
    if (isScalar(old) && isScalar(made)) {
      if (old.value === made.value) return text
      if (old.comment != null) made.comment = old.comment
      if (old.commentBefore != null) made.commentBefore = old.commentBefore
    }
    node.set(last, made)
  } else throw new DocumentError(`${showSteps(path.slice(0, -1))} is no map of keys`)
  return show(document)
}

/** The map or list below a step; made where it isn't there. */
function enter(document: Document, node: unknown, step: Step, path: readonly Step[], depth: number): unknown {
  const below = () => document.createNode(namedLists.has(step) ? [] : {})
  if (isMap(node)) {
    const next = node.get(step, true)
    if (isMap(next) || isSeq(next)) return next
    const fresh = below()
    node.set(step, fresh)
    return fresh
  }
  if (isSeq(node)) {
    const item = itemOf(node, step)
    if (isMap(item) || isSeq(item)) return item
    if (typeof step === 'number')
      throw new DocumentError(`there is no item ${step} in ${showSteps(path.slice(0, depth))}`)
    const fresh = document.createNode({ name: step }) as YAMLMap
    if (node.flow) fresh.flow = true
    node.add(fresh)
    return fresh
  }
  throw new DocumentError(`${showSteps(path.slice(0, depth))} is no map of keys`)
}

/** Keys whose value is a list of items with names: made as lists, where they aren't there yet. */
const namedLists = new Set<Step>(['users', 'sites'])

function nodeOf(document: Document, value: Value): Scalar | YAMLMap | YAMLSeq {
  if (typeof value === 'string') return new Scalar(value)
  const node = document.createNode(value) as YAMLMap | YAMLSeq
  node.flow = true
  return node
}

function itemOf(list: YAMLSeq, step: Step): unknown {
  if (typeof step === 'number') return list.items[step]
  return list.items.find((item) => isMap(item) && item.get('name') === step)
}

/** The text without what stands at the path, which may also name one of a list's values. Throws where it isn't there. */
export function deleteValue(text: string, path: readonly Step[]): string {
  const document = documentOf(text)
  let node: unknown = document.contents
  for (const step of path.slice(0, -1))
    node = isMap(node) ? node.get(step, true) : isSeq(node) ? itemOf(node, step) : undefined
  const last = path.at(-1)!
  const absent = new DocumentError(`${showSteps(path)} is not in the configuration`)
  if (isMap(node)) {
    if (!node.delete(last)) throw absent
  } else if (isSeq(node)) {
    const at = node.items.findIndex(
      (item, i) => i === last || (isMap(item) ? item.get('name') === last : isScalar(item) && item.value === last),
    )
    if (at < 0) throw absent
    node.items.splice(at, 1)
  } else throw absent
  return show(document)
}

/** The part of the text at a path, as YAML of its own; undefined where there is nothing. */
export function partOf(text: string, path: readonly Step[]): string | undefined {
  const document = documentOf(text)
  let node: unknown = document.contents
  for (const step of path) node = isMap(node) ? node.get(step, true) : isSeq(node) ? itemOf(node, step) : undefined
  if (node === undefined || node === null) return undefined
  document.contents = node as never
  return show(document)
}

/** The text as plain values, every scalar a string; undefined where it is no YAML. For completion and look-ups that must work on faulty texts. */
export function plainValue(text: string): unknown {
  try {
    return parseDocument(text, options).toJS({ maxAliasCount: 100 })
  } catch {
    return undefined
  }
}

/** A key whose value nobody may read over a shoulder. By its ending, so that a new one is hidden before somebody lists it here. */
export function isSecretKey(key: unknown): boolean {
  return typeof key === 'string' && /(^key|password|passphrase|presharedkey|secret|hash|privatekey|token)$/i.test(key)
}

export const hidden = '[secret]'

/**
 * The text with `[secret]` for every secret; with `against`, `[secret, changed]` where it differs from the one there. `comments: false` leaves
 * comments out, which may hold an old password. Throws a DocumentError where the text is no YAML: what is secret can't be told then.
 */
export function withoutSecrets(
  text: string,
  { against, comments = true }: { against?: string; comments?: boolean } = {},
): string {
  const document = documentOf(text)
  const before = against === undefined ? undefined : plainValue(against)
  const walk = (node: unknown, old: unknown) => {
    if (isMap(node)) {
      for (const pair of node.items) {
        const key = isScalar(pair.key) ? String(pair.key.value) : ''
        const oldValue = valueAt(old, key)
        if (!isSecretKey(key)) walk(pair.value, oldValue)
        else if (!isFile(pair.value)) {
          const now = isScalar(pair.value) ? pair.value.value : undefined
          const changed = against !== undefined && oldValue !== undefined && oldValue !== now
          pair.value = new Scalar(changed ? '[secret, changed]' : hidden)
        }
      }
    } else if (isSeq(node)) {
      for (const [i, item] of node.items.entries()) {
        const name = isMap(item) ? item.get('name') : undefined
        walk(item, name === undefined ? valueAt(old, i) : valueNamed(old, name))
      }
    }
  }
  walk(document.contents, before)
  const shown = show(document).replaceAll(`"${hidden}"`, hidden).replaceAll('"[secret, changed]"', '[secret, changed]')
  return comments ? shown : shown.replace(/(^|\s)#.*$/gm, '').replace(/^\s*\n/gm, '')
}

/** The secrets of a text themselves, for striking them out of other texts. */
export function secretsOf(text: string): readonly string[] {
  const found: string[] = []
  const walk = (value: unknown, key: string) => {
    if (typeof value === 'string') {
      if (isSecretKey(key)) found.push(value)
    } else if (typeof value === 'object' && value !== null)
      for (const [name, item] of Object.entries(value)) walk(item, Array.isArray(value) ? key : name)
  }
  walk(plainValue(text), '')
  return found
}

/** What the console's log-in `admin` is checked against, also in a configuration that is faulty elsewhere. */
export function adminOf(text: string): { readonly password?: unknown; readonly passwordHash?: unknown } | undefined {
  const admin = valueAt(valueAt(plainValue(text), 'system'), 'admin')
  return typeof admin === 'object' && admin !== null ? admin : undefined
}

function isFile(node: unknown): boolean {
  return isMap(node) && node.items.length === 1 && node.has('file')
}

function valueAt(value: unknown, key: string | number): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, key)
    ? (value as Record<string | number, unknown>)[key]
    : undefined
}

function valueNamed(list: unknown, name: unknown): unknown {
  return Array.isArray(list) ? list.find((item) => valueAt(item, 'name') === name) : undefined
}

function show(document: Document): string {
  const { contents } = document
  // A factory-fresh board has no configuration: an empty text's content is nothing, which the schema has no way to write.
  if (contents === null || (isScalar(contents) && (contents.value ?? '') === '')) return ''
  if (isMap(contents) && contents.items.length === 0) return ''
  return document.toString(formatting)
}

function showSteps(path: readonly Step[]): string {
  return path.length === 0 ? 'the configuration' : path.join(' ')
}
