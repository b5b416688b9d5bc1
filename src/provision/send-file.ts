// Sends a file by the load protocol (src/control/load-lines.ts): one line, its answer, the next. Slower than a window of lines, and nothing
// that a board or a USB adapter's small buffers can drown in: 4 kB take 9 s at 9,600 baud, 2 s at 115,200.
import { digestOf, loadLines, loadSilenceMs } from '../control/load-lines.ts'
import { looksLikeBoot } from './console-state.ts'
import type { Dialogue } from './dialogue.ts'
import { completeLines, killLine, Lost, readAnswer, withoutPrompt } from './machine-terminal.ts'

/** Milliseconds for the answer to a line beyond its time on the wire; and how long a line is still before it is said again. */
const lineMs = 1_500
const stillMs = 60
/** Octets of a line and its answer on the wire, ten bits each. */
const lineBits = 110 * 10

export type SendOptions = {
  readonly sealed: boolean
  readonly baud: number
  /** Lines taken and lines in all. */
  readonly progress: (done: number, of: number) => void
}

/** What the board said of the whole file. Throws Lost where it stops answering. */
export async function sendFile(
  dialogue: Dialogue,
  file: Uint8Array,
  options: SendOptions,
): Promise<{ readonly is: 'taken' } | { readonly is: 'refused'; readonly why: string }> {
  await announce(dialogue, `load ${options.sealed ? 'sealed ' : ''}${file.length} ${digestOf(file)}`)
  const lines = loadLines(file)
  let repeated = 0
  for (let seq = 0; seq < lines.length; ) {
    const answer = await sendLine(dialogue, seq, lines[seq]!, lineMs + (lineBits * 1000) / options.baud)
    if (answer.is === 'taken') {
      repeated = 0
      options.progress(++seq, lines.length)
      if (answer.outcome) return outcome(answer.outcome)
    } else if (answer.is === 'whole') {
      return outcome(answer.outcome)
    } else if (++repeated * lineMs > loadSilenceMs + lineMs) {
      throw new Lost(`the board does not answer line ${seq + 1} of ${lines.length}`)
    }
  }
  const said = await dialogue.until(readAnswer, 10_000)
  if (!said) throw new Lost('the board took every line and said nothing of the file')
  return outcome(said)
}

function outcome(answer: NonNullable<ReturnType<typeof readAnswer>>) {
  return answer.is === 'ok' ? ({ is: 'taken' } as const) : ({ is: 'refused', why: answer.text } as const)
}

/** Sends the load command until it is answered `%ready`; noise may have changed it. */
async function announce(dialogue: Dialogue, command: string): Promise<void> {
  let why = 'no answer to "load"'
  for (let i = 0; i < 3; i++) {
    dialogue.forget()
    await dialogue.say(`${killLine}${command}\r`)
    const said = await dialogue.until((text) => {
      if (looksLikeBoot(text)) return 'boot'
      return completeLines(text).some((line) => withoutPrompt(line) === '%ready') ? 'ready' : readAnswer(text)
    }, 5_000)
    if (said === 'ready') return
    if (said === 'boot') throw new Lost('the board started again')
    if (said?.is === 'error') why = said.text
    // A damaged announcement may have been taken: an empty line shows, and the receiver's silence ends it.
    await dialogue.quiet(500, 3_000)
  }
  throw new Lost(why)
}

type LineAnswer =
  | { readonly is: 'taken'; readonly outcome?: NonNullable<ReturnType<typeof readAnswer>> }
  | { readonly is: 'whole'; readonly outcome: NonNullable<ReturnType<typeof readAnswer>> }
  | { readonly is: 'again' }

async function sendLine(dialogue: Dialogue, seq: number, line: string, ms: number): Promise<LineAnswer> {
  dialogue.forget()
  await dialogue.say(`${line}\r`)
  const said = await dialogue.until((text) => {
    if (looksLikeBoot(text)) return 'boot'
    const lines = completeLines(text)
    if (lines.includes(`%+${seq}`)) return 'taken'
    if (lines.includes(`%-${seq}`) || lines.includes('%?')) return 'again'
    return readAnswer(text)
  }, ms)
  if (said === 'boot') throw new Lost('the board started again')
  if (said === 'taken') {
    const outcome = readAnswer(dialogue.text)
    return outcome ? { is: 'taken', outcome } : { is: 'taken' }
  }
  if (said === 'again' || said === undefined) {
    await dialogue.quiet(stillMs, ms)
    return { is: 'again' }
  }
  return { is: 'whole', outcome: said }
}
