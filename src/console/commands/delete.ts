// `delete`: a key, an item or one of a list's values out of the candidate.
import { DocumentError, deleteValue } from '../../config/document.ts'
import { expectedAt, PathError, targetOf } from '../configuration-path.ts'
import { type Command, CommandFailed, rest, word } from '../shell.ts'

export const remove: Command = word('delete', 'Remove something from the candidate', {
  next: [
    rest(
      'path',
      'What',
      (shell, words) => expectedAt(words, shell.candidate.text, true),
      async ({ candidate }, _, words) => {
        try {
          candidate.set(deleteValue(candidate.text, targetOf(words)))
        } catch (error) {
          if (error instanceof PathError || error instanceof DocumentError) throw new CommandFailed(error.message)
          throw error
        }
      },
    ),
  ],
})
