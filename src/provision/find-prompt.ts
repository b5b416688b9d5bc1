// Finds the console's prompt in whatever state the board is. Nothing is believed that was not said after a question of ours: an old prompt may
// stand above a boot, and a kernel message below a fresh one.
import { type ConsoleState, consoleState, looksLikeBoot } from './console-state.ts'
import { type Dialogue, lastWords, plain } from './dialogue.ts'
import { completeLines, Lost } from './machine-terminal.ts'

export type Prompt = ConsoleState & { readonly is: 'login' | 'question' | 'operational' | 'configure' }
export type Found = { readonly prompt: Prompt; readonly baud: number }

/** No prompt was found; `message` says what was heard and what to look at. */
export class NoPrompt extends Error {}

export type FindOptions = {
  /** Milliseconds until it is given up; a boot takes its time. */
  readonly waitMs: number
  /** Speeds to try, the likeliest first; one alone: it is known. */
  readonly speeds: readonly number[]
  readonly say: (text: string) => void
}

/** Speeds of consoles, by how common they are. */
export const usualSpeeds = [115_200, 9_600, 57_600, 38_400, 19_200, 1_500_000]

/** Ctrl-C ends a half-typed line, a pager and a running command and answers nothing; where it is not understood, an empty line. */
const nudges = ['\x03', '\x15\r']
/** Milliseconds: for an answer to begin, until it has ended, and without a word of a boot until it is spoken to. */
const answerMs = 1_200
const endMs = 300
const bootStillMs = 2_500
/** A whole round of questions at each speed without an octet, this often, and nothing is there. */
const silentRounds = 3

type Heard = { octets: boolean; garbage: boolean; boot: boolean; last: string }

export async function findPrompt(dialogue: Dialogue, options: FindOptions): Promise<Found> {
  const end = dialogue.timers.now() + options.waitMs
  const heard: Heard = { octets: false, garbage: false, boot: false, last: '' }
  let speed = 0
  let unread = 0
  let changes = 0
  let shells = 0
  let answer = consoleState('')
  for (let round = 0; dialogue.timers.now() < end; round++) {
    await whileBooting(dialogue, heard, end, options.say)
    answer = await nudge(dialogue, nudges[round % nudges.length]!)
    note(heard, answer, dialogue.text)
    const baud = options.speeds[speed]!
    if (isPrompt(answer)) return { prompt: answer, baud }
    shells = answer.is === 'shell' ? shells + 1 : 0
    if (shells > nudges.length) throw new NoPrompt(shellAdvice(dialogue.text))
    unread = answer.is === 'silent' || answer.is === 'garbage' ? unread + 1 : 0
    if (unread >= nudges.length && options.speeds.length > 1) {
      speed = (speed + 1) % options.speeds.length
      unread = 0
      await dialogue.line.setSpeed(options.speeds[speed]!)
      if (changes++ < options.speeds.length)
        options.say(`nothing to read at ${baud} baud: trying ${options.speeds[speed]}`)
    }
    const mostRounds = silentRounds * nudges.length * options.speeds.length
    if (!heard.octets && round >= mostRounds && options.speeds.length > 1) break
    await leave(dialogue, answer)
  }
  throw new NoPrompt(advice(heard, options))
}

function isPrompt(state: ConsoleState): state is Prompt {
  return state.is === 'login' || state.is === 'question' || state.is === 'operational' || state.is === 'configure'
}

/** Says one thing and tells what state the answer shows. */
async function nudge(dialogue: Dialogue, text: string): Promise<ConsoleState> {
  dialogue.forget()
  await dialogue.say(text)
  await dialogue.until((received) => (received === '' ? undefined : true), answerMs)
  await dialogue.quiet(endMs, 3_000)
  return consoleState(dialogue.text)
}

/** A boot that passes by is not spoken to: a key stops U-Boot's countdown and opens GRUB's editor. */
async function whileBooting(dialogue: Dialogue, heard: Heard, end: number, say: (text: string) => void): Promise<void> {
  await dialogue.quiet(endMs, 1_000)
  let told = false
  while (looksLikeBoot(dialogue.text) && !isPrompt(consoleState(dialogue.text)) && dialogue.timers.now() < end) {
    if (!told) say('the board boots: waiting for its prompt')
    told = true
    heard.boot = true
    if ((await dialogue.quiet(bootStillMs, 5_000)) && consoleState(dialogue.text).is !== 'countdown') return
  }
}

function note(heard: Heard, state: ConsoleState, text: string): void {
  if (state.is === 'silent') return
  heard.octets = true
  if (state.is === 'garbage') heard.garbage = true
  else heard.last = text
}

/** Gets out of what is no prompt. */
async function leave(dialogue: Dialogue, state: ConsoleState): Promise<void> {
  if (state.is === 'pager') await dialogue.say('q')
  else if (state.is === 'password') await dialogue.say('\r')
  else if (state.is === 'boot-menu') await dialogue.say(/screen editing/.test(plain(dialogue.text)) ? '\x1b' : '\r')
  else if (state.is === 'boot-loader') await dialogue.say(state.which === 'u-boot' ? 'boot\r' : '\x1bnormal\r')
  else if (state.is === 'running-text' && openLoad(dialogue.text)) await dialogue.sleep(10_500)
  else return
  await dialogue.quiet(endMs, 1_000)
}

/** The board answers as if a file were still being sent: it gives up after ten seconds without a line. */
function openLoad(text: string): boolean {
  return completeLines(text).at(-1) === '%?'
}

function shellAdvice(text: string): string {
  return `the other end is a shell (${lastWords(text)}), not a Gatehouse console: is this the right board, and does it run a Gatehouse image?`
}

function advice(heard: Heard, { speeds, waitMs }: FindOptions): string {
  const tried = speeds.length > 1 ? `tried ${speeds.join(', ')} baud` : `${speeds[0]} baud`
  if (!heard.octets)
    return `nothing answers (${tried}): is the board on, TX wired to RX and RX to TX, ground to ground, and this the right port?`
  if (heard.last === '' && heard.garbage)
    return `what comes can't be read at any speed (${tried}): check --speed, the ground wire and the level (3.3 V adapter for a board's header, RS-232 for a DB9)`
  const last = `the last that was heard: ${lastWords(heard.last)}`
  return heard.boot
    ? `the board booted and gave no prompt within ${waitMs / 1000} s; ${last}`
    : `something answers, and it is no Gatehouse console; ${last}`
}

/** The prompt of a board that was spoken to before; Lost where it doesn't come back. */
export async function findAgain(
  dialogue: Dialogue,
  baud: number,
  waitMs: number,
  say: (text: string) => void,
): Promise<Found> {
  try {
    return await findPrompt(dialogue, { waitMs, speeds: [baud], say })
  } catch (error) {
    if (error instanceof NoPrompt) throw new Lost(error.message)
    throw error
  }
}
