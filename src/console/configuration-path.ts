// The words of `set`, `delete` and `show` in configure mode: walked along the configuration's own schema, so that every key the file may have can
// be set, completed and explained without being listed here.
import type { Step, Value } from '../config/document.ts'
import { plainValue } from '../config/document.ts'
import { nearest } from '../config/nearest.ts'
import { jsonSchema } from '../config/schema.ts'
import { keyHelp } from './configuration-help.ts'
import type { Choice, Expectation } from './grammar.ts'

type Schema = {
  readonly properties?: Readonly<Record<string, Schema>>
  readonly items?: Schema
  readonly anyOf?: readonly Schema[]
  readonly enum?: readonly string[]
  readonly default?: unknown
}

/** Where words lead. */
export type Place = {
  readonly path: readonly Step[]
  readonly is: 'map' | 'items' | 'values' | 'value'
  /** What follows the path: values. */
  readonly rest: readonly string[]
  readonly schema: Schema
}

/** The words lead nowhere; the message says what would be right. */
export class PathError extends Error {}

let known: Schema | undefined
const root = (): Schema => {
  known ??= jsonSchema() as Schema
  return known
}

/** Of `a value or a list of them` the list, of alternatives the one with keys. */
function plainSchema(schema: Schema): Schema {
  return schema.anyOf?.find(({ items, properties }) => items || properties) ?? schema.anyOf?.[0] ?? schema
}

function kindOf(schema: Schema): Place['is'] {
  if (schema.properties) return 'map'
  if (!schema.items) return 'value'
  return plainSchema(schema.items).properties ? 'items' : 'values'
}

/** Follows words as far as they are keys. Keys may be abbreviated. */
export function placeOf(words: readonly string[]): Place {
  let schema = plainSchema(root())
  const path: Step[] = []
  for (const [i, word] of words.entries()) {
    const is = kindOf(schema)
    if (is === 'value' || is === 'values') return { path, is, rest: words.slice(i), schema }
    if (is === 'items') {
      const item = plainSchema(schema.items!)
      const named = item.properties?.name !== undefined
      if (!named && !/^\d{1,4}$/.test(word))
        throw new PathError(`${word}: the number of an item, from 0, is right here`)
      path.push(named ? word : Number(word))
      schema = item
      continue
    }
    const key = keyOf(schema, word)
    path.push(key)
    schema = plainSchema(schema.properties![key]!)
  }
  return { path, is: kindOf(schema), rest: [], schema }
}

function keyOf(schema: Schema, word: string): string {
  const keys = Object.keys(schema.properties ?? {})
  const begun = keys.filter((key) => key.toLowerCase().startsWith(word.toLowerCase()))
  const exact = keys.find((key) => key === word)
  if (exact ?? begun.length === 1) return exact ?? begun[0]!
  if (begun.length > 1) throw new PathError(`"${word}" may be ${begun.join(' or ')}`)
  const hint = nearest(word, keys)
  throw new PathError(
    `there is no key "${word}" here; ${hint ? `did you mean ${hint}?` : `known are ${keys.join(', ')}`}`,
  )
}

/** What `set` puts there: the path and the value. */
export function settingOf(words: readonly string[]): { readonly path: readonly Step[]; readonly value: Value } {
  const { path, is, rest } = placeOf(words)
  const where = path.join(' ')
  if (is === 'map' || is === 'items')
    throw new PathError(`more is needed: ${where === '' ? 'a key' : `a key below ${where}`} and its value`)
  if (rest.length === 0) throw new PathError(`more is needed: the value of ${where}`)
  if (is === 'values') return { path, value: rest }
  if (rest.length === 2 && rest[0] === 'file') return { path, value: { file: rest[1]! } }
  if (rest.length > 1) throw new PathError(`${where} has one value; quotes keep words together: "${rest.join(' ')}"`)
  return { path, value: rest[0]! }
}

/** What `delete` and `show` name: a path, or one of a list's values. */
export function targetOf(words: readonly string[]): readonly Step[] {
  const { path, is, rest } = placeOf(words)
  if (rest.length === 0) return path
  if (is === 'values' && rest.length === 1) return [...path, rest[0]!]
  throw new PathError(`${rest.join(' ')} is too much: ${path.join(' ')} is a single value`)
}

/** What may follow the words, for completion and `?`. `existing`: only what is in the text, for `delete` and `show`. */
export function expectedAt(words: readonly string[], text: string, existing: boolean): Expectation {
  try {
    const place = placeOf(words)
    const value = valueAt(plainValue(text), place.path)
    return choicesAt(place, value, existing)
  } catch {
    return { choices: [] }
  }
}

function choicesAt({ is, schema, path, rest }: Place, value: unknown, existing: boolean): Expectation {
  const ends = existing || rest.length > 0
  if (is === 'map') {
    const keys = Object.keys(schema.properties ?? {}).filter((key) => !existing || valueAt(value, [key]) !== undefined)
    return { choices: keys.map((key) => ({ text: key, help: keyHelp([...path, key]) })), ends }
  }
  if (is === 'items') {
    const items = Array.isArray(value) ? value : []
    const named = plainSchema(schema.items!).properties?.name !== undefined
    const choices = items.map((item, i): Choice => {
      const name = valueAt(item, ['name'])
      return { text: named && typeof name === 'string' ? name : String(i), help: 'one that is there' }
    })
    return {
      choices,
      ends,
      ...(existing ? {} : { free: { text: named ? '<name>' : '<number>', help: 'a new one, or one that is there' } }),
    }
  }
  if (existing) {
    const values = is === 'values' && Array.isArray(value) ? value.map(String) : []
    return { choices: values.map((item) => ({ text: item, help: 'one of its values' })), ends: true }
  }
  if (is === 'value' && rest.length > 0)
    return rest[0] === 'file' && rest.length === 1 ? aFile : { choices: [], ends: true }
  const one = is === 'values' ? plainSchema(schema.items!) : schema
  const choices = (one.enum ?? []).map((item) => ({
    text: item,
    help: item === schema.default ? 'the default' : 'a value',
  }))
  const help = is === 'values' ? 'one or more values: they replace those that are there' : keyHelp(path)
  return { choices, ends: rest.length > 0, ...(choices.length > 0 ? {} : { free: { text: '<value>', help } }) }
}

const aFile: Expectation = { choices: [], free: { text: '<path>', help: 'a file that holds the secret' } }

function valueAt(value: unknown, path: readonly Step[]): unknown {
  let node = value
  for (const step of path) {
    if (typeof node !== 'object' || node === null) return undefined
    node =
      Array.isArray(node) && typeof step === 'string'
        ? node.find((item) => (item as { name?: unknown } | null)?.name === step)
        : Object.hasOwn(node, step)
          ? (node as Record<Step, unknown>)[step]
          : undefined
  }
  return node
}
