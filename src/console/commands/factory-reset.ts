// `factory-reset`: everything that was ever configured goes. The host name must be typed: nobody does that by accident.
import { text } from '../argument-types.ts'
import { hostnameOf } from '../hostname.ts'
import { argument, type Command, CommandFailed, type Shell, word } from '../shell.ts'

const name = text('host name', /^[a-z0-9.-]{1,63}$/i, 'the host name of this gateway')

export const factoryReset: Command = word('factory-reset', 'Remove configuration, history and keys, and start again', {
  run: async (shell) => {
    const { terminal } = shell
    await terminal.say("This removes the configuration, its history and the board's key, and starts the board again.")
    await terminal.say('Bundles that were sealed to this board can not be opened any more.')
    if (terminal.machine) throw new CommandFailed('nothing was done; "factory-reset HOSTNAME" is right')
    const typed = await terminal.ask('The host name of this gateway, to go on, or nothing []: ')
    await reset(shell, { hostname: typed.is === 'line' ? typed.text.trim() : '' })
  },
  next: [argument('hostname', name, 'The host name of this gateway', { run: reset })],
})

async function reset(shell: Shell, { hostname }: Readonly<Record<string, string>>): Promise<void> {
  const own = hostnameOf(shell.archive.current())
  if (hostname !== own) throw new CommandFailed(`nothing was done: this gateway is called ${own}`)
  await shell.device.forgetEverything()
  await shell.terminal.say('everything is removed; the board starts again')
  await shell.device.reboot()
  shell.leaving = true
}
