// Tab and `?`: from the line up to the cursor to what may stand there.
import { type Choice, expected, type Node } from './grammar.ts'
import { quoteWord, wordsOf } from './words.ts'

export type Completion = {
  /** To insert at the cursor; may be empty. */
  readonly insert: string
  /** What it could be, where it is more than one. */
  readonly choices: readonly Choice[]
}

/** What Tab does with the line before the cursor. */
export async function complete<S>(tree: readonly Node<S>[], before: string, shell: S): Promise<Completion> {
  const { words, fresh, open } = wordsOf(before)
  if (open) return { insert: '', choices: [] }
  const last = fresh ? undefined : words.at(-1)
  const expectation = await expected(tree, last ? words.slice(0, -1) : words, shell)
  if (typeof expectation === 'string' || last?.quoted) return { insert: '', choices: [] }
  const begun = last?.text ?? ''
  const fitting = expectation.choices.filter(({ text }) => text.startsWith(begun))
  if (fitting.length === 0) return { insert: '', choices: [] }
  if (fitting.length === 1) {
    const whole = quoteWord(fitting[0]!.text)
    return { insert: whole.startsWith(begun) ? `${whole.slice(begun.length)} ` : '', choices: [] }
  }
  const shared = commonStart(fitting.map(({ text }) => text))
  return { insert: quoteWord(shared) === shared ? shared.slice(begun.length) : '', choices: fitting }
}

/** What `?` lists for the line before the cursor; a string says why nothing fits. */
export async function help<S>(tree: readonly Node<S>[], before: string, shell: S): Promise<readonly Choice[] | string> {
  const { words, fresh } = wordsOf(before)
  const last = fresh ? undefined : words.at(-1)
  const expectation = await expected(tree, last ? words.slice(0, -1) : words, shell)
  if (typeof expectation === 'string') return expectation
  const begun = last?.text ?? ''
  const fitting = expectation.choices.filter(({ text }) => text.startsWith(begun))
  const lines = [...fitting]
  if (expectation.free) lines.push(expectation.free)
  if (expectation.ends && last === undefined) lines.push({ text: '<Enter>', help: 'Run the command' })
  return lines.length === 0 ? 'nothing is right here' : lines
}

function commonStart(texts: readonly string[]): string {
  const [first = '', ...others] = texts
  let length = first.length
  for (const other of others) while (!other.startsWith(first.slice(0, length))) length--
  return first.slice(0, length)
}
