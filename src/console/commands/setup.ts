// `setup`: the wizard's questions again.
import { type Command, word } from '../shell.ts'

export const setup: Command = word('setup', 'Answer the questions for a new configuration', {
  run: async (shell) => {
    shell.wizard = true
  },
})
