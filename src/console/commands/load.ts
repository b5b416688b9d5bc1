// `load`: a whole configuration into the candidate, line by line with checks (for programs, ../load-receiver.ts), sealed to this board's key, or
// pasted by a person.
import { loadSilenceMs, parseLoadLine } from '../../control/load-lines.ts'
import { openSealed, SealError } from '../../control/sealed-bundle.ts'
import { text } from '../argument-types.ts'
import { announcementFault, LoadReceiver } from '../load-receiver.ts'
import { argument, type Command, CommandFailed, type Shell, word } from '../shell.ts'

type Values = Readonly<Record<string, string>>

const octets = text('octets', /^\d{1,7}$/, 'the length of the file')
const digest = text('sha256', /^[0-9a-f]{64}$/i, 'a SHA-256 of 64 hex digits')

/** Characters of a line at most: longer ones are noise. */
const longestLine = 200

function receiving(run: (shell: Shell, values: Values) => Promise<void>) {
  return [
    argument('octets', octets, 'Octets that will be sent', {
      next: [argument('sha256', digest, 'SHA-256 of them', { run })],
    }),
  ]
}

export const load: Command = word('load', 'Fetch a whole configuration into the candidate', {
  next: [
    word('terminal', 'Pasted here; a line with a single dot ends it', {
      run: (shell) => shell.terminal.input.uninterruptible(() => paste(shell)),
    }),
    word('sealed', 'Sent by a program, sealed to the key of this board', {
      next: receiving((shell, values) => shell.terminal.input.uninterruptible(() => receive(shell, values, true))),
    }),
    ...receiving((shell, values) => shell.terminal.input.uninterruptible(() => receive(shell, values, false))),
  ],
})

async function receive(shell: Shell, { octets, sha256 }: Values, sealed: boolean): Promise<void> {
  const fault = announcementFault(octets!, sha256!)
  if (fault !== undefined) throw new CommandFailed(fault)
  const { terminal } = shell
  const receiver = new LoadReceiver(Number(octets), sha256!)
  await terminal.write('%ready\n')
  let silentFrom = performance.now()
  for (;;) {
    const line = await terminal.rawLine(Math.max(silentFrom + loadSilenceMs - performance.now(), 1), longestLine)
    if (line === undefined) throw new CommandFailed('timeout')
    const { reply, alive, done } = receiver.take(line)
    if (alive) silentFrom = performance.now()
    if (done === undefined) {
      await terminal.write(`${reply}\n`)
      continue
    }
    await terminal.write(`${reply}\n`)
    return finish(shell, done, sealed)
  }
}

/** Takes the file, and remembers what became of it: the sender may have missed the answer to its last line. */
function finish(
  shell: Shell,
  done: { is: 'whole'; file: Uint8Array } | { is: 'failed'; why: string },
  sealed: boolean,
): void {
  let why = done.is === 'failed' ? done.why : undefined
  if (done.is === 'whole') {
    try {
      shell.candidate.set(textOf(sealed ? openSealed(done.file, shell.device.boardKey()) : done.file))
    } catch (error) {
      if (!(error instanceof SealError) && !(error instanceof CommandFailed)) throw error
      why = error.message
    }
  }
  shell.lastLoad = (line) => {
    const again = parseLoadLine(line)
    return again.is === 'line' ? `%+${again.seq}\n${why === undefined ? '%ok' : `%error ${why}`}` : undefined
  }
  if (why !== undefined) throw new CommandFailed(why)
}

function textOf(file: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(file)
  } catch {
    throw new CommandFailed('the file is not UTF-8 text; a site file in YAML is right')
  }
}

async function paste(shell: Shell): Promise<void> {
  const { terminal } = shell
  await terminal.say('Paste the configuration; a line with a single dot ends it, Ctrl-C drops it.')
  const lines: string[] = []
  for (;;) {
    const asked = await terminal.ask('')
    if (asked.is === 'cancel') throw new CommandFailed('the candidate is as it was')
    if (asked.is === 'end' || asked.text === '.') break
    lines.push(asked.text)
    if (lines.length > 50_000) throw new CommandFailed('more than 50000 lines; the candidate is as it was')
  }
  shell.candidate.set(`${lines.join('\n')}\n`)
  await terminal.say(`${lines.length} lines; "compare" and "check" look at them`)
}
