// From whatever prompt was found to a console that talks to machines: log-in, the first-boot wizard's word `provision`, `terminal machine`.
import { type ConsoleState, consoleState, hasBooted } from './console-state.ts'
import { type Dialogue, lastWords } from './dialogue.ts'
import type { Prompt } from './find-prompt.ts'
import { ask, killLine, Lost } from './machine-terminal.ts'

/** The board said no, for good; `message` says what would be right. */
export class Refused extends Error {}

export type Account = {
  readonly user: string
  /** Tried in order: the board's present password, and the one that the site file gives it. */
  readonly passwords: readonly string[]
}

/** A board slows guesses down to one a minute; its answer may take that long. */
const judgedMs = 75_000
const promptMs = 10_000

/** Ends at a prompt, in machine mode. Throws Refused where no password is right, Lost where the board falls silent. */
export async function logIn(dialogue: Dialogue, found: Prompt, account: Account): Promise<void> {
  let state: ConsoleState = found
  // Each password twice: noise may have changed what was typed.
  const passwords = account.passwords.length === 0 ? [undefined] : account.passwords
  for (const password of [...passwords, ...passwords]) {
    if (state.is !== 'login') break
    state = await tryPassword(dialogue, account.user, password)
  }
  if (state.is === 'login') throw new Refused(loginAdvice(account))
  if (state.is === 'question') state = await leaveWizard(dialogue)
  if (state.is !== 'operational' && state.is !== 'configure')
    throw new Lost(`no prompt after the log-in: ${lastWords(dialogue.text)}`)
  const answer = await ask(dialogue, 'terminal machine')
  if (answer.is === 'error')
    throw new Refused(
      `the console does not know "terminal machine" (${answer.text}): is this a Gatehouse board, and of this version?`,
    )
}

/** A board without a password lets everybody in after the name. */
async function tryPassword(dialogue: Dialogue, user: string, password: string | undefined): Promise<ConsoleState> {
  dialogue.forget()
  await dialogue.say(`${killLine}${user}\r`)
  const asked = await until(dialogue, (state) => state.is === 'password' || inside(state), promptMs)
  if (asked.is !== 'password') return asked
  if (password === undefined) {
    await dialogue.say('\x03')
    throw new Refused(loginAdvice({ user, passwords: [] }))
  }
  dialogue.forget()
  await dialogue.say(`${Buffer.from(password, 'utf8').toString('latin1')}\r`)
  const judged = await until(dialogue, (state) => state.is === 'login' || inside(state), judgedMs)
  // A reboot or noise may bring the next log-in prompt too; only the board's word counts as a wrong password.
  if (judged.is === 'login' && (hasBooted(dialogue.text) || !/incorrect/i.test(dialogue.text)))
    throw new Lost('the log-in was cut off')
  return judged
}

function inside(state: ConsoleState): boolean {
  return state.is === 'operational' || state.is === 'configure' || state.is === 'question'
}

/** A factory-fresh board asks its first question; the word `provision` in place of an answer makes it a machine's partner. */
async function leaveWizard(dialogue: Dialogue): Promise<ConsoleState> {
  dialogue.forget()
  await dialogue.say(`${killLine}provision\r`)
  return until(dialogue, (state) => state.is === 'operational' || state.is === 'configure', promptMs)
}

/** The state once `wanted` says so and the board pauses; what there is after `ms` otherwise. */
async function until(dialogue: Dialogue, wanted: (state: ConsoleState) => boolean, ms: number): Promise<ConsoleState> {
  await dialogue.until((text) => (wanted(consoleState(text)) ? true : undefined), ms)
  await dialogue.quiet(100, 1_000)
  return consoleState(dialogue.text)
}

function loginAdvice({ user, passwords }: Account): string {
  return passwords.length === 0
    ? `the board asks for a log-in: --password-file FILE gives ${user}'s password (a factory-fresh board needs none)`
    : `the board refuses ${passwords.length > 1 ? 'every password' : 'the password'} of ${JSON.stringify(user)}: check --user and --password-file`
}
