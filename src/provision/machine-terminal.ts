// Commands and their answers after `terminal machine`: no echo, no colours; each command ends with a line `%ok` or `%error TEXT`.
import { looksLikeBoot, withoutKernelLines } from './console-state.ts'
import { type Dialogue, plain } from './dialogue.ts'

/** No answer came: the line was cut, the board started again, or noise ate it. Everything is begun anew from finding the prompt. */
export class Lost extends Error {}

export type Answer =
  | { readonly is: 'ok'; readonly lines: readonly string[] }
  | { readonly is: 'error'; readonly text: string; readonly lines: readonly string[] }

/** Milliseconds for an answer; how long the line must be still before a repetition, so that no late answer is taken for the next one's. */
const answerMs = 15_000
const stillMs = 400
const tries = 3
/** Ctrl-U: what is left of a command that was cut off goes before the next. */
export const killLine = '\x15'

/**
 * One command. Repeated where nothing or an error answers it, since noise may have changed the command: an error counts when it comes twice the
 * same. Throws Lost where no answer comes.
 */
export async function ask(dialogue: Dialogue, command: string, ms: number = answerMs): Promise<Answer> {
  let before: string | undefined
  for (let i = 0; i < tries; i++) {
    const answer = await askOnce(dialogue, command, ms)
    if (answer?.is === 'ok') return answer
    if (answer && answer.text === before) return answer
    before = answer?.text
    await dialogue.quiet(stillMs, 5_000)
  }
  if (before !== undefined) return { is: 'error', text: before, lines: [] }
  throw new Lost(`no answer to "${command.split(' ', 3).join(' ')}"`)
}

/** The same once; undefined where no answer came in time. Throws Lost at the signs of a boot. */
export async function askOnce(dialogue: Dialogue, command: string, ms: number): Promise<Answer | undefined> {
  dialogue.forget()
  await dialogue.say(`${killLine}${command}\r`)
  const answer = await dialogue.until((text) => readAnswer(text) ?? (looksLikeBoot(text) ? 'boot' : undefined), ms)
  if (answer === 'boot') throw new Lost('the board started again')
  // The next prompt belongs to the answer: whatever is said before it would be lost.
  if (answer)
    await dialogue.until((text) => (/[\w.-]+[>#] $/.test(withoutKernelLines(plain(text))) ? true : undefined), 1_000)
  return answer
}

/** The answer in what was received so far; undefined until its last line has ended. */
export function readAnswer(received: string): Answer | undefined {
  const lines: string[] = []
  for (const raw of completeLines(received)) {
    const line = withoutPrompt(raw)
    if (line === '%ok') return { is: 'ok', lines }
    const error = /^%error ?(.*)$/.exec(line)
    if (error) return { is: 'error', text: error[1]!, lines }
    if (line !== '') lines.push(line)
  }
  return undefined
}

/** Lines that have ended, without terminal codes, without what the kernel says between them; as UTF-8. */
export function completeLines(received: string): readonly string[] {
  const lines = withoutKernelLines(plain(received)).split(/\r*\n|\r/)
  return lines.slice(0, -1).map((line) => Buffer.from(line, 'latin1').toString('utf8').trimEnd())
}

/** A line without the prompt that stands before what was answered at once. */
export function withoutPrompt(line: string): string {
  return line.replace(/^[\w.-]+[>#](?: |$)/, '')
}

/** `name: value` lines, as `show board` and `show version` give them. */
export function namedValues(lines: readonly string[]): ReadonlyMap<string, string> {
  const values = new Map<string, string>()
  for (const line of lines) {
    const found = /^([a-z0-9][\w.-]*): +(.*)$/i.exec(line)
    if (found) values.set(found[1]!.toLowerCase(), found[2]!)
  }
  return values
}
