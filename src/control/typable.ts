// Secrets that a person types from a screen.
import { randomInt } from 'node:crypto'

/** Letters and digits that nobody confuses when typing them from a screen. */
const letters = 'abcdefghijkmnpqrstuvwxyz23456789'

/** Groups of four letters: five bits a letter. */
export function typable(groups: number): string {
  return Array.from({ length: groups }, () =>
    Array.from({ length: 4 }, () => letters[randomInt(letters.length)]).join(''),
  ).join('-')
}
