// The grammar of the command line as data: a tree of words and typed arguments, each with its help. Walked in one place for running, completion
// and `?`, so that the three never disagree.
import { nearest } from '../config/nearest.ts'
import type { Word } from './words.ts'

export type Choice = { readonly text: string; readonly help: string }

/** What an argument may be. `S` is what completion may look at, and what a command runs on. */
export type ArgumentType<S> = {
  /** Shown as `<name>`. */
  readonly name: string
  /** What would be right, where the text isn't; undefined where it is. */
  readonly fault?: (text: string) => string | undefined
  /** Values to offer, from live data. They are suggestions: others may be typed. */
  readonly offer?: (shell: S) => Promise<readonly Choice[]> | readonly Choice[]
}

/** What was typed: arguments by key; of words, those with a key. */
export type Values = Readonly<Record<string, string>>
export type Run<S> = (shell: S, values: Values, rest: readonly string[]) => Promise<void>

type Shared<S> = {
  readonly help: string
  readonly run?: Run<S>
  /** What may follow. */
  readonly next?: readonly Node<S>[]
  /** Words that may follow in any order, each once, with what belongs to them; after them the command runs as it would here. */
  readonly options?: readonly Node<S>[]
}
export type WordNode<S> = Shared<S> & { readonly is: 'word'; readonly word: string }
export type ArgumentNode<S> = Shared<S> & {
  readonly is: 'argument'
  readonly key: string
  readonly type: ArgumentType<S>
}
/** Everything to the end of the line, judged by `expect`. */
export type RestNode<S> = Shared<S> & {
  readonly is: 'rest'
  readonly name: string
  readonly expect: (shell: S, words: readonly string[]) => Expectation | Promise<Expectation>
}
export type Node<S> = WordNode<S> | ArgumentNode<S> | RestNode<S>

/** What may stand at a place: choices that complete, and a hint for what is typed freely. */
export type Expectation = {
  readonly choices: readonly Choice[]
  readonly free?: Choice
  /** The line may end here. */
  readonly ends?: boolean
}

export type Match<S> =
  | { readonly is: 'command'; readonly run: Run<S>; readonly values: Values; readonly rest: readonly string[] }
  | { readonly is: 'wrong'; readonly message: string; readonly at: number }

type State<S> = {
  readonly nodes: readonly Node<S>[]
  readonly run: Run<S> | undefined
  /** Options of a command that are left, and what runs after them. */
  readonly left: readonly Node<S>[]
  readonly owner: Run<S> | undefined
}

const start = <S>(tree: readonly Node<S>[]): State<S> => ({ nodes: tree, run: undefined, left: [], owner: undefined })

function follow<S>(state: State<S>, node: Node<S>): State<S> {
  if (node.options) {
    const nodes = [...(node.next ?? []), ...node.options]
    return { nodes, run: node.run, left: node.options, owner: node.run }
  }
  const left = state.left.filter((option) => option !== node)
  if (node.next) return { nodes: node.next, run: node.run, left, owner: state.owner }
  return { nodes: left, run: node.run ?? state.owner, left, owner: state.owner }
}

type Step<S> = { readonly node: Node<S> } | { readonly fault: string }

/** The node that a word means: a whole word, an unambiguous beginning, else the first argument that takes it. */
function take<S>(nodes: readonly Node<S>[], { text, quoted }: Word): Step<S> {
  const words = nodes.filter((node) => node.is === 'word')
  if (!quoted) {
    const exact = words.find(({ word }) => word === text)
    if (exact) return { node: exact }
    const begun = words.filter(({ word }) => word.startsWith(text))
    if (begun.length === 1) return { node: begun[0]! }
    if (begun.length > 1) return { fault: `${show(text)} may be ${begun.map(({ word }) => word).join(' or ')}` }
  }
  let fault: string | undefined
  for (const node of nodes) {
    if (node.is === 'rest') return { node }
    if (node.is !== 'argument') continue
    const wrong = node.type.fault?.(text)
    if (wrong === undefined) return { node }
    fault ??= `${show(text)}: ${wrong}`
  }
  if (fault !== undefined) return { fault }
  if (nodes.length === 0) return { fault: `${show(text)} is too much: nothing more is right here` }
  const known = words.map(({ word }) => word)
  const hint = nearest(text, known)
  return { fault: `${show(text)} is not known here; ${hint ? `did you mean ${hint}?` : `? lists what is`}` }
}

/** What a line means; the line has at least one word. */
export function match<S>(tree: readonly Node<S>[], words: readonly Word[]): Match<S> {
  let state = start(tree)
  const values: Record<string, string> = {}
  for (const [i, word] of words.entries()) {
    const step = take(state.nodes, word)
    if ('fault' in step) return { is: 'wrong', message: step.fault, at: word.at }
    const { node } = step
    if (node.is === 'rest') {
      const rest = words.slice(i).map(({ text }) => text)
      return { is: 'command', run: node.run!, values, rest }
    }
    values[node.is === 'word' ? node.word : node.key] = word.text
    state = follow(state, node)
  }
  if (state.run) return { is: 'command', run: state.run, values, rest: [] }
  const last = words.at(-1)
  return {
    is: 'wrong',
    message: `more is needed: ${state.nodes.map(nameOf).join(', ')}`,
    at: last ? last.at + last.text.length : 0,
  }
}

/** What may stand after these words; a string where one of them is wrong already. */
export async function expected<S>(
  tree: readonly Node<S>[],
  words: readonly Word[],
  shell: S,
): Promise<Expectation | string> {
  let state = start(tree)
  for (const [i, word] of words.entries()) {
    const step = take(state.nodes, word)
    if ('fault' in step) return step.fault
    if (step.node.is === 'rest') {
      return step.node.expect(
        shell,
        words.slice(i).map(({ text }) => text),
      )
    }
    state = follow(state, step.node)
  }
  const choices: Choice[] = []
  let free: Choice | undefined
  for (const node of state.nodes) {
    if (node.is === 'word') choices.push({ text: node.word, help: node.help })
    else if (node.is === 'argument') {
      choices.push(...((await node.type.offer?.(shell)) ?? []))
      free ??= { text: `<${node.type.name}>`, help: node.help }
    } else {
      const rest = await node.expect(shell, [])
      choices.push(...rest.choices)
      free ??= rest.free
    }
  }
  return { choices, ...(free ? { free } : {}), ends: state.run !== undefined }
}

function nameOf<S>(node: Node<S>): string {
  return node.is === 'word' ? node.word : node.is === 'argument' ? `<${node.type.name}>` : `<${node.name}>`
}

function show(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}...` : text)
}
