// `logout`, `exit`: out of the session, or of configure mode.
import { type Command, type Shell, word } from '../shell.ts'

export const logout: Command = word('logout', 'Leave the console', { run: leave })

export const exit: Command = word('exit', 'Leave configure mode, or the console', {
  run: async (shell) => {
    if (shell.mode === 'operational') return leave(shell)
    shell.mode = 'operational'
    await sayKept(shell)
  },
})

async function leave(shell: Shell): Promise<void> {
  await sayKept(shell)
  shell.leaving = true
}

async function sayKept({ candidate, terminal }: Shell): Promise<void> {
  if (candidate.changed)
    await terminal.say('the candidate has changes that are not committed; it is kept until "discard" or a reboot')
}
