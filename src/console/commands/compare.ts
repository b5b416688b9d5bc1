// `compare`: what a commit would change, or what lies between the candidate and an earlier configuration.
import { DocumentError, withoutSecrets } from '../../config/document.ts'
import { number } from '../argument-types.ts'
import { lineDiff } from '../line-diff.ts'
import { argument, type Command, CommandFailed, type Shell, word } from '../shell.ts'
import { earlier } from './show.ts'

export const compare: Command = word('compare', 'What differs between the configuration in use and the candidate', {
  run: (shell) => differences(shell, shell.archive.current() ?? ''),
  next: [
    argument('back', number('number', 0, 999), 'An earlier configuration in place of the one in use', {
      run: (shell, { back }) => differences(shell, earlier(shell, Number(back))),
    }),
  ],
})

async function differences(shell: Shell, before: string): Promise<void> {
  const after = shell.candidate.text
  try {
    const lines = lineDiff(withoutSecrets(before), withoutSecrets(after, { against: before }))
    const same = before === after ? 'nothing differs' : 'nothing differs but the way it is written'
    await shell.terminal.page(lines.length === 0 ? same : lines.join('\n'), shell.signal)
  } catch (error) {
    if (!(error instanceof DocumentError)) throw error
    throw new CommandFailed(`this can not be shown without secrets, since it is not well-formed: ${error.message}`)
  }
}
