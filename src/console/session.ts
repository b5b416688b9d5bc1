// One console from its first prompt to a hang-up: wizard or log-in, then commands, until the user leaves; then from the beginning.
import { isSecretKey } from '../config/document.ts'
import { ControlError } from '../control/client.ts'
import { Archive } from './archive.ts'
import { Candidate } from './candidate.ts'
import { complete, help } from './completion.ts'
import type { Device } from './device.ts'
import { match } from './grammar.ts'
import { hostnameOf } from './hostname.ts'
import type { EditorEvent, LineEditor } from './line-editor.ts'
import { logIn } from './log-in.ts'
import { resume } from './roll-back.ts'
import { isExpected, type Shell } from './shell.ts'
import { table } from './table.ts'
import { type AskOptions, Interrupted, SessionEnd, type Terminal } from './terminal.ts'
import { wizard } from './wizard.ts'
import { wordsOf } from './words.ts'

/** Seconds until a silent console logs out, where the configuration doesn't say. */
const usualIdleSeconds = 600

/** `once`: ends after a log-out, as on a terminal; a serial line asks for the next log-in. Resolves when the line is gone or all is said. */
export async function serveConsole(device: Device, terminal: Terminal, { once }: { once: boolean }): Promise<void> {
  const archive = new Archive(device.disk, device.config)
  const settled = await resume(device, archive).catch((error: Error) => `it is not rolled back: ${error.message}`)
  if (settled !== undefined) await terminal.say(`a commit that was not confirmed: ${settled}`)
  try {
    do {
      reset(terminal)
      await oneSession(device, terminal, archive)
    } while (!once)
  } catch (error) {
    if (!(error instanceof SessionEnd)) throw error
  }
}

function reset(terminal: Terminal): void {
  terminal.machine = false
  terminal.editor.history.length = 0
  terminal.idleMs = undefined
}

/** From log-in to log-out. Throws SessionEnd at a hang-up only. */
async function oneSession(device: Device, terminal: Terminal, archive: Archive): Promise<void> {
  const fresh = archive.current() === undefined
  const user = fresh ? 'admin' : await logIn(terminal, archive, device)
  const shell = makeShell(device, terminal, archive, user)
  shell.wizard = fresh
  try {
    if (!fresh) await greet(shell)
    await commands(shell)
  } catch (error) {
    if (!(error instanceof SessionEnd)) throw error
    const kept = shell.candidate.changed ? '; the candidate is kept' : ''
    if (error.why === 'hang-up') {
      device.log(`console hung up: logged out${kept}`)
      throw error
    }
    await terminal.say(`\nlogged out: nothing was typed for a while${kept}`.trimStart())
  }
}

function makeShell(device: Device, terminal: Terminal, archive: Archive, user: string): Shell {
  return {
    device,
    terminal,
    archive,
    candidate: new Candidate(device),
    mode: 'operational',
    user,
    signal: new AbortController().signal,
    leaving: false,
    lastLoad: undefined,
    wizard: false,
  }
}

async function greet({ terminal, candidate, archive, device }: Shell): Promise<void> {
  device.log('log-in on the console')
  await terminal.say('"?" lists what may be typed, Tab completes it.')
  if (archive.pending())
    await terminal.say('A commit waits for its confirmation: "configure", then "confirm" keeps it.')
  if (candidate.changed)
    await terminal.say(
      'The candidate has changes from an earlier session: "configure", then "compare" shows them, "discard" drops them.',
    )
}

async function commands(shell: Shell): Promise<void> {
  const { terminal } = shell
  const known = knowledge(shell)
  while (!shell.leaving) {
    if (shell.wizard) {
      shell.wizard = false
      terminal.idleMs = undefined
      await wizard(shell)
      continue
    }
    const { hostname, idleMs } = await known()
    terminal.idleMs = idleMs
    const prompt = `${hostname}${shell.mode === 'configure' ? '#' : '>'} `
    const options: AskOptions = { onEvent: (event, editor) => assist(shell, event, editor) }
    const asked = await terminal.ask(prompt, options)
    if (terminal.machine && asked.is !== 'end') await terminal.write('\n')
    if (asked.is === 'end') await execute(shell, 'exit')
    else if (asked.is === 'line' && asked.text.trim() !== '') {
      if (!asked.text.split(/\s+/).some((text) => isSecretKey(text))) terminal.editor.remember(asked.text)
      await execute(shell, asked.text)
    }
  }
}

type Known = { readonly hostname: string; readonly idleMs: number | undefined }

/** What of the configuration the prompt needs; looked at anew only where the text has changed. */
function knowledge({ archive, device }: Shell): () => Promise<Known> {
  let of: string | undefined
  let known: Known | undefined
  return async () => {
    const text = archive.current()
    if (known && text === of) return known
    of = text
    const judgement = text === undefined ? undefined : (await import('./commit.ts')).judge(text, device)
    const system = judgement?.is === 'valid' ? judgement.configuration.system : undefined
    const seconds = system?.idleLogoutSeconds ?? usualIdleSeconds
    known = { hostname: hostnameOf(text), idleMs: seconds === 0 ? undefined : seconds * 1000 }
    return known
  }
}

/** Loaded with the first command: a console that waits for a log-in should hold little memory. */
const trees = async () => (await import('./commands/tree.ts')).trees

/** Runs a line; how it ended is said. */
export async function execute(shell: Shell, line: string): Promise<void> {
  const { terminal } = shell
  const again = shell.lastLoad?.(line)
  if (again !== undefined) return terminal.write(`${again}\n`)
  shell.lastLoad = undefined
  const machine = terminal.machine
  const failure = await terminal.input.interruptible((signal) => run(Object.assign(shell, { signal }), line))
  if (machine || terminal.machine) await terminal.say(failure === undefined ? '%ok' : `%error ${oneLine(failure)}`)
  else if (failure !== undefined) await terminal.say(oneLine(failure))
}

/** Undefined, or why it failed. Throws SessionEnd. */
async function run(shell: Shell, line: string): Promise<string | undefined> {
  const { words, open } = wordsOf(line)
  if (open) return 'a quote is open'
  const found = match((await trees())[shell.mode], words)
  if (found.is === 'wrong') return found.message
  try {
    await found.run(shell, found.values, found.rest)
    return shell.signal.aborted ? 'interrupted' : undefined
  } catch (error) {
    if (error instanceof SessionEnd) throw error
    if (error instanceof Interrupted) return 'interrupted'
    if (isExpected(error) || error instanceof ControlError) return error.message
    const { message, stack } = error as Error
    shell.device.log(`bug of the console in "${words[0]!.text}": ${stack ?? message}`)
    return `it failed: ${message}`
  }
}

function oneLine(text: string): string {
  return text.trim().replace(/\s*\n\s*/g, '; ')
}

/** Tab and `?`. */
async function assist(shell: Shell, event: EditorEvent, editor: LineEditor): Promise<string> {
  const tree = (await trees())[shell.mode]
  if (event.is === 'complete') {
    const { insert, choices } = await complete(tree, editor.beforeCursor, shell)
    if (insert !== '' || choices.length === 0) return editor.insert(insert)
    await list(shell.terminal, choices)
  } else if (event.is === 'help') {
    const lines = await help(tree, editor.beforeCursor, shell)
    if (typeof lines === 'string') await shell.terminal.write(`\n${lines}\n`)
    else await list(shell.terminal, lines)
  }
  return editor.redraw()
}

async function list(
  terminal: Terminal,
  choices: readonly { readonly text: string; readonly help: string }[],
): Promise<void> {
  const columns = [
    ['', ({ text }: { text: string }) => `  ${text}`],
    ['', ({ help }: { help: string }) => help],
  ] as const
  const [, ...lines] = table<{ readonly text: string; readonly help: string }>(columns, choices).split('\n')
  await terminal.write('\n')
  await terminal.page(lines.join('\n'))
}
