// One board from an unknown state to a confirmed configuration. The walk:
//
//   1. find the prompt, log in, `terminal machine`, `show board`, `show version`
//   2. `configure`, `load` the site file, `check`, `compare`: does the board run it already?
//   3. `commit confirmed MINUTES`
//   4. `show self-test` until it has passed
//   5. `confirm`, and a look at the digest: what runs now is the file
//
// A fault anywhere (noise, a pulled cable, a reboot) begins the walk anew: each step either has no effect or is seen in 2, and what isn't confirmed
// the board rolls back by itself. So at every moment the board runs the old configuration or the new one.
import { Dialogue, LineFailed, type Timers } from './dialogue.ts'
import { findAgain, findPrompt, NoPrompt, usualSpeeds } from './find-prompt.ts'
import { type Account, logIn, Refused } from './log-in.ts'
import { type Answer, ask, killLine, Lost, namedValues } from './machine-terminal.ts'
import { sendFile } from './send-file.ts'
import type { SerialLine } from './serial-line.ts'
import type { Site } from './site-file.ts'

export type Phase =
  | 'finding the prompt'
  | 'logging in'
  | 'sending'
  | 'checking'
  | 'committing'
  | 'self-test'
  | 'confirming'

export type Progress = {
  /** `done` and `of` where the phase can be measured. */
  readonly phase: (phase: Phase, done?: number, of?: number) => void
  /** A sentence worth a line of its own. */
  readonly note: (text: string) => void
}

export type ProvisionOptions = {
  readonly site: Site
  readonly account: Account
  /** Tried first. */
  readonly baud: number
  readonly confirmMinutes: number
  /** Milliseconds to find the prompt the first time, and after a fault: a boot lies between. */
  readonly findMs: number
  readonly findAgainMs: number
  /** How often the walk is begun. */
  readonly attempts: number
}

export const usualOptions = { baud: 115_200, confirmMinutes: 5, findMs: 240_000, findAgainMs: 240_000, attempts: 8 }

/** What `show board` and `show version` say. */
export type BoardFacts = {
  readonly board: string | undefined
  readonly serialNumber: string | undefined
  /** Port → address. */
  readonly macs: Readonly<Record<string, string>>
  readonly firmware: string | undefined
  readonly hostKey: string | undefined
}

export type Outcome =
  /** Committed, tested and confirmed now; or the board had it already. */
  | { readonly is: 'provisioned' | 'unchanged' }
  /** The board refused; it keeps what it had, or goes back to it by itself. */
  | { readonly is: 'refused' | 'self-test-failed' | 'failed'; readonly why: string }

export type Result = {
  readonly outcome: Outcome
  readonly facts: BoardFacts | undefined
  readonly baud: number | undefined
  readonly attempts: number
  /** Milliseconds by phase, of all attempts. */
  readonly durations: Readonly<Partial<Record<Phase, number>>>
}

/** Milliseconds: between two looks at the self-test; what is left of the confirmation's time when it counts as failed. */
const lookMs = 2_000
const spareMs = 20_000
/** A self-test has failed when it says so for so long: a gateway that was just started may not be up, a WAN may wait for its DHCP server. */
const failingMs = 60_000
const commitMs = 150_000
const leaveMs = 2_000

export async function provisionBoard(
  line: SerialLine,
  timers: Timers,
  options: ProvisionOptions,
  progress: Progress,
): Promise<Result> {
  const walk = new Walk(new Dialogue(line, timers), options, progress)
  let attempt = 1
  for (; ; attempt++) {
    const outcome = await walk.once().catch((error: Error) => walk.judge(error, attempt))
    if (!outcome) continue
    await walk.leave(outcome)
    return walk.result(outcome, attempt)
  }
}

class Walk {
  readonly #dialogue: Dialogue
  readonly #options: ProvisionOptions
  readonly #progress: Progress
  readonly #durations: Partial<Record<Phase, number>> = {}
  #phase: Phase = 'finding the prompt'
  #since: number
  #baud: number | undefined
  /** We have been logged in. */
  #inside = false
  #facts: BoardFacts | undefined
  /** Of the file as the board has it as its candidate; a bundle that came sealed is known only there. */
  #digest: string | undefined
  /** We have committed: the board that runs the file runs it by our doing. */
  #committed = false

  constructor(dialogue: Dialogue, options: ProvisionOptions, progress: Progress) {
    this.#dialogue = dialogue
    this.#options = options
    this.#progress = progress
    this.#since = dialogue.timers.now()
  }

  async once(): Promise<Outcome> {
    await this.#arrive()
    await this.#load()
    await this.#check()
    if ((await this.#differs()) !== false) await this.#commit()
    const failed = await this.#selfTest()
    if (failed) return failed
    await this.#confirm()
    return { is: this.#committed ? 'provisioned' : 'unchanged' }
  }

  /** What ends the work; undefined where the walk is to be begun anew. */
  judge(error: Error, attempt: number): Outcome | undefined {
    if (error instanceof Refused) return { is: 'refused', why: error.message }
    if (!(error instanceof Lost)) {
      if (error instanceof LineFailed || error instanceof NoPrompt) return { is: 'failed', why: error.message }
      throw error
    }
    if (attempt < this.#options.attempts) {
      this.#progress.note(`${error.message}: beginning anew, try ${attempt + 1} of ${this.#options.attempts}`)
      return undefined
    }
    const state = this.#committed
      ? `; what was committed is rolled back by the board itself within ${this.#options.confirmMinutes} min unless it was confirmed`
      : '; the board keeps the configuration that it had'
    return { is: 'failed', why: `given up after ${attempt} tries: ${error.message}${state}` }
  }

  /** Logs out, so that nobody finds an open session, nor a candidate that was refused. */
  async leave(outcome: Outcome): Promise<void> {
    if (!this.#inside || outcome.is === 'failed') return
    for (const command of outcome.is === 'refused' ? ['discard', 'logout'] : ['logout']) {
      this.#dialogue.forget()
      await this.#dialogue.say(`${killLine}${command}\r`)
      await this.#dialogue.until((text) => (/[>#] $|login: $/.test(text) ? true : undefined), leaveMs)
    }
  }

  result(outcome: Outcome, attempts: number): Result {
    this.#close()
    return { outcome, facts: this.#facts, baud: this.#baud, attempts, durations: this.#durations }
  }

  async #arrive(): Promise<void> {
    const { baud: first, findMs, findAgainMs, account } = this.#options
    this.#enter('finding the prompt')
    const say = this.#progress.note
    const speeds = [first, ...usualSpeeds.filter((speed) => speed !== first)]
    const { prompt, baud } =
      this.#baud === undefined
        ? await findPrompt(this.#dialogue, { waitMs: findMs, speeds, say })
        : await findAgain(this.#dialogue, this.#baud, findAgainMs, say)
    this.#baud = baud
    this.#enter('logging in')
    await logIn(this.#dialogue, prompt, account)
    this.#inside = true
    this.#facts = await boardFacts(this.#dialogue)
    await this.#must('configure')
  }

  /** Makes the file the candidate. */
  async #load(): Promise<void> {
    const { site } = this.#options
    this.#enter('sending', 0, site.octets.length)
    for (let i = 0; ; i++) {
      const answer = await sendFile(this.#dialogue, site.octets, {
        sealed: site.sealed,
        baud: this.#baud!,
        progress: (done, of) =>
          this.#progress.phase('sending', Math.round((done / of) * site.octets.length), site.octets.length),
      })
      if (answer.is === 'taken') break
      if (i === 1) throw new Refused(`the board does not take the file: ${answer.why}`)
      await this.#dialogue.quiet(400, 5_000)
    }
    this.#digest = await this.#candidateDigest()
  }

  /** SHA-256 of the candidate; of what runs where nothing was edited since the last commit. Undefined where the board can't tell. */
  async #candidateDigest(): Promise<string | undefined> {
    return namedValues((await ask(this.#dialogue, 'show digest')).lines).get('sha256')
  }

  /** Whether the candidate differs from what runs; undefined where the board can't show it, as one without a configuration may not. */
  async #differs(): Promise<boolean | undefined> {
    const answer = await ask(this.#dialogue, 'compare')
    return answer.is === 'ok' ? answer.lines.some((line) => /^[+-]/.test(line)) : undefined
  }

  async #check(): Promise<void> {
    this.#enter('checking')
    const answer = await ask(this.#dialogue, 'check', 30_000)
    if (answer.is === 'error')
      throw new Refused(`the board finds the configuration faulty: ${[...answer.lines, answer.text].join('; ')}`)
  }

  async #commit(): Promise<void> {
    this.#enter('committing')
    this.#committed = true
    await this.#must(`commit confirmed ${this.#options.confirmMinutes}`, commitMs)
  }

  /** Looks until the self-test has passed; the outcome where it hasn't in time. */
  async #selfTest(): Promise<Outcome | undefined> {
    const allowed = Math.max(this.#options.confirmMinutes * 60_000 - spareMs, 30_000)
    const from = this.#dialogue.timers.now()
    let failing = from
    this.#enter('self-test', 0, allowed)
    for (;;) {
      const state = selfTestState(await ask(this.#dialogue, 'show self-test', 30_000))
      if (state.is === 'passed') return undefined
      const now = this.#dialogue.timers.now()
      const gone = now - from
      if (state.is === 'running') failing = now
      if (now - failing > failingMs || gone > allowed) {
        const why = state.is === 'failed' ? state.why : `not done after ${Math.round(gone / 1000)} s: ${state.why}`
        const then = `nothing was confirmed: the board goes back to its configuration before within ${this.#options.confirmMinutes} min`
        return { is: 'self-test-failed', why: `${why}; ${then}` }
      }
      this.#progress.phase('self-test', gone, allowed)
      await this.#dialogue.sleep(lookMs)
    }
  }

  /** Confirms, and looks whether what runs is the file: an answer may have been another's. */
  async #confirm(): Promise<void> {
    this.#enter('confirming')
    const answer = await ask(this.#dialogue, 'confirm', commitMs)
    if (answer.is === 'error' && this.#committed && !/no commit|nothing|not waiting/i.test(answer.text))
      throw new Lost(`the board does not confirm: ${answer.text}`)
    if ((await this.#differs()) === true || (await this.#candidateDigest()) !== this.#digest)
      throw new Lost('the board went back to its configuration before')
  }

  async #must(command: string, ms?: number): Promise<Answer & { readonly is: 'ok' }> {
    const answer = await ask(this.#dialogue, command, ms)
    if (answer.is === 'error') throw new Refused(`the board refuses "${command}": ${answer.text}`)
    return answer
  }

  #enter(phase: Phase, done?: number, of?: number): void {
    this.#close()
    this.#phase = phase
    this.#since = this.#dialogue.timers.now()
    this.#progress.phase(phase, done, of)
  }

  #close(): void {
    this.#durations[this.#phase] = (this.#durations[this.#phase] ?? 0) + (this.#dialogue.timers.now() - this.#since)
    this.#since = this.#dialogue.timers.now()
  }
}

async function boardFacts(dialogue: Dialogue): Promise<BoardFacts> {
  const lines = []
  for (const command of ['show board', 'show version']) {
    const answer = await ask(dialogue, command)
    lines.push(...answer.lines)
  }
  const values = namedValues(lines)
  const macs = [...values]
    .filter(([name]) => name.startsWith('mac-'))
    .map(([name, value]) => [name.slice(4), value] as const)
  return {
    board: values.get('board'),
    serialNumber: known(values.get('serial-number')),
    macs: Object.fromEntries(macs),
    firmware: values.get('firmware'),
    hostKey: values.get('host-key'),
  }
}

/** Boards without a serial number of their own say so. */
function known(value: string | undefined): string | undefined {
  return value === 'unknown' || value === '' ? undefined : value
}

type SelfTest = { readonly is: 'passed' } | { readonly is: 'failed' | 'running'; readonly why: string }

/** From `NAME: passed|failed|running …` lines and the verdict `self-test: …`. */
export function selfTestState(answer: Answer): SelfTest {
  const failed = answer.lines.filter((line) => /^[\w.-]+: failed\b/.test(line))
  const verdict = namedValues(answer.lines).get('self-test')
  if (answer.is === 'ok' && verdict?.startsWith('passed')) return { is: 'passed' }
  if (verdict?.startsWith('failed') || (verdict === undefined && failed.length > 0))
    return { is: 'failed', why: failed.join('; ') || `self-test: ${verdict}` }
  return { is: 'running', why: answer.is === 'error' ? answer.text : (answer.lines.at(-1) ?? 'no word of it') }
}
