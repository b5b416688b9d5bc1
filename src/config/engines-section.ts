// Writes the `engines:` section of a configuration, which `bench engines --tune` measures. Everything else stays as it was typed, octet for octet,
// and in the section too what a person wrote beside an entry that stays.
import { type Document, isMap, isPair, isScalar, isSeq, Pair, parseDocument, Scalar, YAMLMap, YAMLSeq } from 'yaml'

export type EngineChoice = {
  /** Undefined: what stands there is taken out. */
  readonly userland: string | undefined
  readonly kernel: readonly { readonly driver: string; readonly priority: number }[]
}

/** How YAML is read here: as parse.ts does, every scalar as it is typed. */
const reading = { schema: 'failsafe', merge: false, uniqueKeys: true, stringKeys: true } as const
const writing = { lineWidth: 0, flowCollectionPadding: true } as const

/** The text with this choice. Throws an Error where the text is no YAML map. */
export function withEngines(text: string, choice: EngineChoice): string {
  const document = parseDocument(text, reading)
  if (document.errors.length > 0) throw new Error(document.errors[0]!.message.split('\n')[0])
  const root = document.contents
  if (root === null) return withSection(text, sectionText(newSection(choice)))
  if (!isMap(root)) throw new Error('the configuration is not a map of keys')
  const pair = root.items.find((item) => isPair(item) && isScalar(item.key) && item.key.value === 'engines')
  if (root.flow || (pair && !isMap(pair.value))) {
    // One line for everything, or an empty section: there is nothing beside it that could be kept as it is.
    const map = root as unknown as YAMLMap
    map.set('engines', newSection(choice))
    return document.toString(writing)
  }
  if (!pair) return withSection(text, sectionText(newSection(choice)))
  const section = pair.value as YAMLMap
  const from = (pair.key as Scalar).range![0]
  const to = endOf(text, section.range![1])
  change(section, choice)
  return `${text.slice(0, from)}${sectionText(section)}${text.slice(to)}`
}

function withSection(text: string, section: string): string {
  return `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}${section}`
}

/** Behind the line that the value ends on: a comment there belongs to the value, and is written with it. */
function endOf(text: string, valueEnd: number): number {
  if (text[valueEnd - 1] === '\n') return valueEnd
  const line = text.indexOf('\n', valueEnd)
  return line < 0 ? text.length : line + 1
}

/** The section alone, as text that ends with a line break. */
function sectionText(section: YAMLMap): string {
  const document = parseDocument('', reading) as Document
  const map = new YAMLMap()
  map.items.push(new Pair(new Scalar('engines'), section))
  document.contents = map as never
  return document.toString(writing)
}

function newSection(choice: EngineChoice): YAMLMap {
  const section = new YAMLMap()
  change(section, choice)
  return section
}

function change(section: YAMLMap, { userland, kernel }: EngineChoice): void {
  if (userland === undefined) section.delete('userland')
  else setScalar(section, 'userland', userland)
  const old = section.get('kernel', true)
  const list = isSeq(old) ? (old as YAMLSeq) : new YAMLSeq()
  const kept = list.items.filter(
    (item) => isMap(item) && kernel.some(({ driver }) => String(item.get('driver')) === driver),
  )
  list.items = kept
  for (const { driver, priority } of kernel) {
    const item = kept.find((one) => isMap(one) && String(one.get('driver')) === driver) as YAMLMap | undefined
    if (item) setScalar(item, 'priority', String(priority))
    else list.items.push(entry(driver, priority))
  }
  if (list.items.length === 0) section.delete('kernel')
  else section.set('kernel', list)
}

function entry(driver: string, priority: number): YAMLMap {
  const map = new YAMLMap()
  map.flow = true
  setScalar(map, 'driver', driver)
  setScalar(map, 'priority', String(priority))
  return map
}

/** A comment beside the old value stays. */
function setScalar(map: YAMLMap, key: string, value: string): void {
  const old = map.get(key, true)
  if (isScalar(old)) old.value = value
  else map.set(new Scalar(key), new Scalar(value))
}
