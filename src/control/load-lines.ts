// The lines in which a file crosses a serial line that loses and changes octets: `:SEQ BASE64 CRC32HEX`, each answered. The console reads them,
// the provisioner writes them; what is agreed stands here.
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'

/** Octets of data in a line at most: the line is shorter than 80 characters, which no terminal program wraps. */
export const mostOctetsALine = 48
/** Octets of a file at most. */
export const mostOctetsALoad = 1_000_000
/** The receiver gives up after so long without a line that is framed right. */
export const loadSilenceMs = 10_000

export type LoadLine = { readonly seq: number; readonly octets: Uint8Array }

/** SEQ counts from 0. */
export function showLoadLine({ seq, octets }: LoadLine): string {
  const body = `${seq} ${Buffer.from(octets).toString('base64')}`
  return `:${body} ${checksum(body)}`
}

/** The file as its lines, in order. */
export function loadLines(file: Uint8Array): readonly string[] {
  return Array.from({ length: Math.ceil(file.length / mostOctetsALine) }, (_, seq) =>
    showLoadLine({ seq, octets: file.subarray(seq * mostOctetsALine, (seq + 1) * mostOctetsALine) }),
  )
}

/** `garbled`: framed right, but not what was sent; `noise`: not framed as a line of ours at all. */
export type ParsedLoadLine =
  | ({ readonly is: 'line' } & LoadLine)
  | { readonly is: 'garbled'; readonly seq: number }
  | { readonly is: 'noise' }

export function parseLoadLine(text: string): ParsedLoadLine {
  const [, body, digits, data, sum] = /^:((\d{1,7}) ([A-Za-z0-9+/]{2,64}={0,2})) ([0-9a-f]{8})$/i.exec(text) ?? []
  if (body === undefined || digits === undefined || data === undefined) return { is: 'noise' }
  const seq = Number(digits)
  const octets = new Uint8Array(Buffer.from(data, 'base64'))
  const whole = checksum(body) === sum?.toLowerCase() && octets.length > 0 && octets.length <= mostOctetsALine
  return whole ? { is: 'line', seq, octets } : { is: 'garbled', seq }
}

/** SHA-256 in hex, as `load` announces it. */
export function digestOf(file: Uint8Array): string {
  return createHash('sha256').update(file).digest('hex')
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, '0')
}
