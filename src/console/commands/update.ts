// `update`: a new firmware into the other slot. RAUC judges signature and board; the console shows what it says.
import { text } from '../argument-types.ts'
import { argument, type Command, CommandFailed, pageOf, type Shell, show, word } from '../shell.ts'

const bundle = text(
  'bundle',
  /^(https?:\/\/[^\s]+|\/[^\s]+)$/,
  'a bundle as https://host/path or as a file with its whole path',
)

export const update: Command = word('update', 'Install firmware, or show what is installed', {
  next: [
    word('status', 'The slots and what is in them', {
      run: (shell) => pageOf(shell, 'rauc', ['status', '--detailed']),
    }),
    argument('bundle', bundle, 'A signed bundle', { run: install }),
  ],
})

async function install(shell: Shell, { bundle }: Readonly<Record<string, string>>): Promise<void> {
  if (shell.archive.pending()) throw new CommandFailed('a commit waits for its confirmation: "confirm" it first')
  await show(shell, 'rauc', ['install', bundle!], 1_800_000)
  if (shell.signal.aborted) throw new CommandFailed('the installation was ended; the slot that runs is untouched')
  await shell.terminal.say(
    'installed in the other slot; "reboot" starts it, and the old one comes back by itself if it does not come up',
  )
}
