// `load OCTETS SHA256`: takes a file line by line over a line that loses and changes octets. A machine: text in, answer out.
import { digestOf, mostOctetsALoad, parseLoadLine } from '../control/load-lines.ts'

export type LoadAnswer = {
  readonly reply: string
  /** The line was framed right: the sender is there, and the silence begins anew. */
  readonly alive: boolean
  readonly done?: { readonly is: 'whole'; readonly file: Uint8Array } | { readonly is: 'failed'; readonly why: string }
}

/** What is wrong with an announcement; undefined where it can be taken. */
export function announcementFault(octets: string, sha256: string): string | undefined {
  const count = /^\d{1,7}$/.test(octets) ? Number(octets) : Number.NaN
  if (!(count >= 1 && count <= mostOctetsALoad)) return `1 to ${mostOctetsALoad} octets are right`
  return /^[0-9a-f]{64}$/i.test(sha256) ? undefined : 'a SHA-256 of 64 hex digits is right'
}

/** Lines may come in any order and more than once. */
export class LoadReceiver {
  readonly #octets: number
  readonly #sha256: string
  readonly #parts = new Map<number, Uint8Array>()
  #held = 0

  constructor(octets: number, sha256: string) {
    this.#octets = octets
    this.#sha256 = sha256.toLowerCase()
  }

  take(text: string): LoadAnswer {
    const line = parseLoadLine(text)
    if (line.is === 'noise') return { reply: '%?', alive: false }
    if (line.is === 'garbled') return { reply: `%-${line.seq}`, alive: true }
    const { seq, octets } = line
    if (!this.#parts.has(seq)) {
      if (seq >= this.#octets || this.#held + octets.length > this.#octets) {
        const why = `line ${seq} goes beyond the ${this.#octets} octets that were announced`
        return { reply: `%+${seq}`, alive: true, done: { is: 'failed', why } }
      }
      this.#parts.set(seq, octets.slice())
      this.#held += octets.length
    }
    const reply = `%+${seq}`
    return this.#held < this.#octets ? { reply, alive: true } : { reply, alive: true, done: this.#judge() }
  }

  #judge(): NonNullable<LoadAnswer['done']> {
    const parts = Array.from({ length: this.#parts.size }, (_, seq) => this.#parts.get(seq))
    if (parts.includes(undefined))
      return { is: 'failed', why: 'the line numbers have gaps; 0, 1, 2 and so on is right' }
    const file = new Uint8Array(Buffer.concat(parts as Uint8Array[]))
    if (digestOf(file) === this.#sha256) return { is: 'whole', file }
    return { is: 'failed', why: `the SHA-256 is ${digestOf(file)}, another was announced` }
  }
}
