// What a command runs on: the board, the screen, the archive, the candidate, and the session's state.

import type { Archive } from './archive.ts'
import type { Candidate } from './candidate.ts'
import { CommitError } from './commit-error.ts'
import { type Device, DeviceError } from './device.ts'
import type { ArgumentNode, Node, RestNode, WordNode } from './grammar.ts'
import type { Terminal } from './terminal.ts'

/** A command that can't be done; the message is for the user. */
export class CommandFailed extends Error {}

export type Mode = 'operational' | 'configure'

export type Shell = {
  readonly device: Device
  readonly terminal: Terminal
  readonly archive: Archive
  readonly candidate: Candidate
  mode: Mode
  /** Who is logged in. */
  readonly user: string
  /** Ctrl-C and hang-ups end the command by it. */
  readonly signal: AbortSignal
  /** Set by `logout`. */
  leaving: boolean
  /** The file that was loaded last, for a sender who missed the answer; gone with the next command. */
  lastLoad: ((line: string) => string | undefined) | undefined
  /** Starts the wizard after this command. */
  wizard: boolean
}

export type Command = WordNode<Shell>

/** Runs a program (`gatehouse` is this one) and shows what it says as it comes; CommandFailed where it fails, is missing, or Ctrl-C ended it. */
export async function show(shell: Shell, program: string, args: readonly string[], timeoutMs?: number): Promise<void> {
  let shown = Promise.resolve()
  let rest = ''
  const onText = (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop()!
    for (const line of lines) shown = shown.then(() => shell.terminal.say(line.replace(/\r$/, '')))
  }
  const options = { onText, signal: shell.signal, ...(timeoutMs === undefined ? {} : { timeoutMs }) }
  const { device } = shell
  const { code } = await (program === 'gatehouse'
    ? device.gatehouse(args, options)
    : device.run(program, args, options))
  if (rest !== '') onText('\n')
  await shown
  if (code !== 0 && !shell.signal.aborted) throw new CommandFailed(`${program} ended with ${code}`)
}

/** What a program says, page by page. */
export async function pageOf(shell: Shell, program: string, args: readonly string[]): Promise<void> {
  await shell.terminal.page(await textOf(shell, program, args), shell.signal)
}

export async function textOf(shell: Shell, program: string, args: readonly string[]): Promise<string> {
  const { code, text } = await shell.device.run(program, args, { signal: shell.signal })
  if (code !== 0) throw new CommandFailed(text.trim() || `${program} ended with ${code}`)
  return text
}

/** Whether an error is one for the user, not a bug of ours. */
export function isExpected(error: unknown): error is Error {
  return error instanceof CommandFailed || error instanceof CommitError || error instanceof DeviceError
}

type Parts = Omit<WordNode<Shell>, 'is' | 'word' | 'help'>

export function word(text: string, help: string, parts: Parts): WordNode<Shell> {
  return { is: 'word', word: text, help, ...parts }
}

export function argument(
  key: string,
  type: ArgumentNode<Shell>['type'],
  help: string,
  parts: Parts = {},
): ArgumentNode<Shell> {
  return { is: 'argument', key, type, help, ...parts }
}

export function rest(
  name: string,
  help: string,
  expect: RestNode<Shell>['expect'],
  run: NonNullable<Node<Shell>['run']>,
): RestNode<Shell> {
  return { is: 'rest', name, help, expect, run }
}
