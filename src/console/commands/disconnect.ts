// `disconnect`: ends sessions.
import { sessionTarget } from '../argument-types.ts'
import { argument, type Command, CommandFailed, word } from '../shell.ts'

export const disconnect: Command = word('disconnect', 'End the sessions of a user, or of an inner address', {
  next: [
    argument('target', sessionTarget, 'Whose', {
      run: async ({ device, terminal }, { target }) => {
        const ended = await device.disconnect(target!)
        if (ended === 0) throw new CommandFailed(`no session of ${target}`)
        await terminal.say(`${ended} ${ended === 1 ? 'session' : 'sessions'} ended`)
      },
    }),
  ],
})
