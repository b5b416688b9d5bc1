// `system apply`: the files that are wanted, what of them is new, written and put in force; or, where that fails, everything as it was.
import { activate, type Machine } from './activate.ts'
import { type Change, changesOf, undo, write } from './disk.ts'
import type { SystemFile } from './file.ts'

export type Applied = {
  /** `+` new, `~` changed, `-` taken away: `~ /etc/hostname`. */
  readonly changed: readonly string[]
  /** What was done about it, in words. */
  readonly activated: readonly string[]
}

/**
 * Idempotent. `machine` undefined: the files are another machine's, or one's that doesn't run, and nobody is told. Fails with an Error that says what
 * failed; then files and services are as they were, as far as they can be.
 */
export async function apply(
  files: readonly SystemFile[],
  root: string,
  machine: Machine | undefined,
): Promise<Applied> {
  const changes = changesOf(files, root)
  const firewall = changes.find(({ wanted }) => wanted.concern === 'firewall')?.wanted
  if (machine && firewall?.is === 'text') await machine.run('nft', ['-c', '-f', '-'], firewall.text)
  write(changes, root)
  if (!machine) return { changed: changes.map(show), activated: [] }
  try {
    const activated = await activate(
      changes.map(({ wanted }) => wanted),
      machine,
    )
    return { changed: changes.map(show), activated }
  } catch (error) {
    undo(changes, root)
    const left = await activate(
      changes.map(({ before }) => before),
      machine,
    ).then(
      () => 'everything is as it was',
      (again: Error) => `the files are as they were, but going back failed too: ${again.message}`,
    )
    throw new Error(`${(error as Error).message}; ${left}`, { cause: error })
  }
}

/** What `apply` would change, with the text of each file; files that hold secrets are named only. */
export function preview(files: readonly SystemFile[], root: string): string {
  const changes = changesOf(files, root)
  if (changes.length === 0) return 'nothing would change\n'
  return changes
    .map((change) => {
      const { wanted } = change
      if (wanted.is === 'link') return `${show(change)} -> ${wanted.target}\n`
      if (wanted.is === 'absent') return `${show(change)}\n`
      const mode = wanted.mode.toString(8).padStart(4, '0')
      const body = (wanted.mode & 0o077) === 0 ? '(it holds a secret)\n' : wanted.text
      return `${show(change)} (${mode})\n${body.replace(/^(?=.)/gm, '    ')}`
    })
    .join('')
}

function show({ wanted, before }: Change): string {
  const sign = wanted.is === 'absent' ? '-' : before.is === 'absent' ? '+' : '~'
  return `${sign} ${wanted.path}`
}
