// `set`: a value into the candidate. A secret without a value is asked for, unseen, twice.
import { DocumentError, deleteValue, isSecretKey, partOf, type Step, setValue } from '../../config/document.ts'
import { hashPassword } from '../../control/admin-password.ts'
import { expectedAt, PathError, placeOf, settingOf } from '../configuration-path.ts'
import { type Command, CommandFailed, rest, type Shell, word } from '../shell.ts'

export const set: Command = word('set', 'Set a value in the candidate', {
  next: [
    rest(
      'path and value',
      'Where, and what',
      (shell, words) => expectedAt(words, shell.candidate.text, false),
      (shell, _, words) => run(shell, words),
    ),
  ],
})

async function run(shell: Shell, words: readonly string[]): Promise<void> {
  const { candidate } = shell
  try {
    const { path, is, rest } = placeOf(words)
    if (is === 'value' && rest.length === 0 && isSecretKey(path.at(-1))) candidate.set(await asked(shell, path))
    else {
      const setting = settingOf(words)
      candidate.set(setValue(candidate.text, setting.path, setting.value))
    }
  } catch (error) {
    if (error instanceof PathError || error instanceof DocumentError) throw new CommandFailed(error.message)
    throw error
  }
}

/** The candidate with a secret that is typed unseen; the administrator's password becomes its hash. */
async function asked({ terminal, candidate }: Shell, path: readonly Step[]): Promise<string> {
  if (terminal.machine) throw new CommandFailed(`more is needed: the value of ${path.join(' ')}`)
  const once = await terminal.ask('Value (not shown): ', { hidden: true })
  const twice = once.is === 'line' && once.text !== '' ? await terminal.ask('Again: ', { hidden: true }) : undefined
  if (once.is !== 'line' || twice?.is !== 'line') throw new CommandFailed('nothing is set')
  if (once.text !== twice.text) throw new CommandFailed('the two are not the same; nothing is set')
  if (path.join(' ') !== 'system admin password') return setValue(candidate.text, path, once.text)
  const hashed = setValue(candidate.text, ['system', 'admin', 'passwordHash'], await hashPassword(once.text))
  const clear = partOf(hashed, path) === undefined
  return clear ? hashed : deleteValue(hashed, path)
}
