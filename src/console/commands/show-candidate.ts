// `show` in configure mode: the candidate or a part of it beside all that `show` shows elsewhere.
import { DocumentError, partOf, withoutSecrets } from '../../config/document.ts'
import { digestOf } from '../../control/load-lines.ts'
import { expectedAt, PathError, targetOf } from '../configuration-path.ts'
import { type Command, CommandFailed, rest, type Shell, word } from '../shell.ts'
import { facts } from '../table.ts'
import { show } from './show.ts'

export const showCandidate: Command = word('show', 'Show the candidate, or what "show" shows elsewhere', {
  run: (shell) => candidate(shell, []),
  next: [
    ...show.next!,
    word('digest', 'Octets and SHA-256 of the candidate', {
      run: async (shell) => {
        const octets = new TextEncoder().encode(shell.candidate.text)
        await shell.terminal.page(
          facts([
            ['octets', String(octets.length)],
            ['sha256', digestOf(octets)],
          ]),
        )
      },
    }),
    rest(
      'path',
      'A part of the candidate',
      (shell, words) => expectedAt(words, shell.candidate.text, true),
      (shell, _, words) => candidate(shell, words),
    ),
  ],
})

async function candidate(shell: Shell, words: readonly string[]): Promise<void> {
  try {
    const shown = withoutSecrets(shell.candidate.text)
    const part = words.length === 0 ? shown : partOf(shown, targetOf(words))
    if (part === undefined) throw new CommandFailed(`${words.join(' ')} is not in the candidate`)
    await shell.terminal.page(part === '' ? 'the candidate is empty' : part, shell.signal)
  } catch (error) {
    if (error instanceof PathError) throw new CommandFailed(error.message)
    if (error instanceof DocumentError)
      throw new CommandFailed(
        `the candidate is not well-formed, so its secrets can not be told apart: ${error.message}`,
      )
    throw error
  }
}
