// `configure`: into the mode in which a candidate is edited.
import { type Command, word } from '../shell.ts'

export const configure: Command = word('configure', 'Edit a candidate configuration', {
  run: async (shell) => {
    if (shell.mode === 'configure') return
    shell.mode = 'configure'
    const { candidate, terminal, archive } = shell
    if (candidate.changed)
      await terminal.say('the candidate has changes from before: "compare" shows them, "discard" drops them')
    if (archive.pending()) await terminal.say('a commit waits for its confirmation: "confirm" keeps it')
  },
})
