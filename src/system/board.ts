// The board that this program runs on: the image writes its name to /etc/gatehouse/board; the facts are the program's own (`board/NAME/board.ts`).
import { existsSync, readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import type { Board } from '../../board/common/board.ts'

/** The file with the board's name, one line. */
const nameFile = 'etc/gatehouse/board'

/** The board's facts, or undefined on a machine that is none. `root` is where the device's files are. */
export async function loadBoard(root = '/'): Promise<Board | undefined> {
  const file = join(root, nameFile)
  return existsSync(file) ? namedBoard(readFileSync(file, 'utf8').trim(), file) : undefined
}

/** The facts of a board by its name. A name that no board has is an Error; `said` is who said it. */
export async function namedBoard(name: string, said = '--board'): Promise<Board> {
  // `.ts` here, `.js` on a device.
  const facts = new URL(`../../board/${name}/board${extname(import.meta.url)}`, import.meta.url)
  if (!/^[a-z0-9][a-z0-9_-]{0,63}$/.test(name) || !existsSync(facts))
    throw new Error(`${said}: there is no board ${JSON.stringify(name)}; the name of a folder in board/ is right`)
  return ((await import(facts.href)) as { board: Board }).board
}

/** The names that a configuration may use for its ports; undefined where there is no board. */
export function portsOf(board: Board | undefined): readonly string[] | undefined {
  return board?.ports.map(({ name }) => name)
}
