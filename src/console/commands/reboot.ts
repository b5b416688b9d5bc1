// `reboot`, and `restart` of the gateway alone.
import { type Command, CommandFailed, type Shell, word } from '../shell.ts'

export const reboot: Command = word('reboot', 'Start the board again', {
  run: async (shell) => {
    if (!(await shell.terminal.confirm('Start the board again? Every session ends.')))
      throw new CommandFailed('nothing was done; "reboot now" does not ask')
    await go(shell)
  },
  next: [word('now', 'Without asking', { run: go })],
})

async function go(shell: Shell): Promise<void> {
  if (shell.archive.pending()) await shell.terminal.say('the commit that is not confirmed will be rolled back')
  await shell.terminal.say('the board starts again')
  await shell.device.reboot()
}

export const restart: Command = word('restart', 'Start the gateway again, for changes that take it', {
  run: async ({ device, terminal }) => {
    const { code, text } = await device.run('systemctl', ['restart', 'gatehouse.service'])
    if (code !== 0) throw new CommandFailed(text.trim() || `systemctl ended with ${code}`)
    await terminal.say('the gateway is started again')
  },
})
