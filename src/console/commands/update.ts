// `update`: a new firmware into the other slot, by `gatehouse update`; the console shows what that says.
import { text } from '../argument-types.ts'
import { argument, type Command, CommandFailed, type Shell, show, word } from '../shell.ts'

const bundle = text(
  'bundle',
  /^(https?:\/\/[^\s]+|\/[^\s]+)$/,
  'a bundle as https://host/path or as a file with its whole path',
)

export const update: Command = word('update', 'Install firmware, or show what is installed', {
  next: [
    word('status', 'The slots and what is in them', {
      run: (shell) => show(shell, 'gatehouse', ['update', 'status']),
    }),
    argument('bundle', bundle, 'A signed bundle', { run: install }),
  ],
})

async function install(shell: Shell, { bundle }: Readonly<Record<string, string>>): Promise<void> {
  if (shell.archive.pending()) throw new CommandFailed('a commit waits for its confirmation: "confirm" it first')
  await show(shell, 'gatehouse', ['update', 'install', bundle!], 1_800_000)
  if (shell.signal.aborted) throw new CommandFailed('the installation was ended; the firmware that runs is untouched')
  await shell.terminal.say('"reboot" starts it')
}
