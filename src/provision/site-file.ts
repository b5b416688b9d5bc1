// The site file on the laptop: read, judged by the rules that the board will judge it by, secrets from files put in, sealed where asked for.
import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { isScalar, isSeq, LineCounter, parseDocument, visit } from 'yaml'
import type { Configuration, Fault } from '../config/configuration.ts'
import { parseConfiguration } from '../config/parse.ts'
import { digestOf, mostOctetsALoad } from '../control/load-lines.ts'
import { fingerprintOf, isSealed, SealError, seal } from '../control/sealed-bundle.ts'

export type Site = {
  /** What is sent: the site file, or a sealed bundle. */
  readonly octets: Uint8Array
  readonly sealed: boolean
  /** SHA-256 in hex of the site file; of a bundle that came sealed, of the bundle. */
  readonly sha256: string
  /** Absent where the file came sealed: it can't be looked into. */
  readonly configuration: Configuration | undefined
  readonly warnings: readonly Fault[]
}

/** Faults in the site file, with line and column. */
export class FaultySite extends Error {
  readonly faults: readonly Fault[]
  constructor(faults: readonly Fault[]) {
    super('the site file is faulty')
    this.faults = faults
  }
}

/** Reads and checks. Throws FaultySite, or an Error that says why it can't be read. */
export function readSite(file: string): Site {
  let octets: Uint8Array
  try {
    octets = new Uint8Array(readFileSync(file))
  } catch (error) {
    throw new Error(`${file} can't be read: ${(error as Error).message}`)
  }
  if (octets.length > mostOctetsALoad)
    throw new Error(`${file} has ${octets.length} octets; a site file has at most ${mostOctetsALoad}`)
  if (isSealed(octets))
    return { octets, sealed: true, sha256: digestOf(octets), configuration: undefined, warnings: [] }
  const inFolder = (path: string) => readFileSync(resolve(dirname(file), path), 'utf8')
  const written = Buffer.from(octets).toString('utf8')
  const text = insertFiles(written, inFolder)
  // What came from files stands in the text now; what is left is on the board, which will look for itself.
  const outcome = parseConfiguration(text, (path) => (isOnBoard(path) ? anyFile : inFolder(path)))
  if (outcome.is === 'faulty') throw new FaultySite(outcome.faults)
  const lists = listFaults(written)
  if (lists.length > 0) throw new FaultySite(lists)
  const sent = new TextEncoder().encode(text)
  return {
    octets: sent,
    sealed: false,
    sha256: digestOf(sent),
    configuration: outcome.configuration,
    warnings: outcome.warnings,
  }
}

/** The same site, for the eyes of one board. */
export function sealSite(site: Site, hostKey: string): Site {
  if (site.sealed) throw new Error('the file is sealed already')
  return { ...site, octets: seal(site.octets, hostKey), sealed: true }
}

/** The configuration partition of a board, where its own certificates are. */
const isOnBoard = (path: string) => path.startsWith('/config/')
/** Stands for a file of the board where the site file is judged: a certificate, a key, a secret. */
const anyFile = '-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\n'

/** The text with the contents of `{ file: PATH }` in place, since the board has no such files; otherwise as it was, comments and all. */
function insertFiles(text: string, readFile: (path: string) => string): string {
  const document = parseDocument(text, { schema: 'failsafe', keepSourceTokens: true })
  if (document.errors.length > 0) return text
  const edits: { from: number; to: number; text: string }[] = []
  visit(document, {
    Map(_, { items, range }) {
      if (items.length !== 1 || !range) return
      const [only] = items
      if (!isScalar(only?.key) || only.key.value !== 'file' || !isScalar(only.value)) return
      const path = String(only.value.value)
      if (isOnBoard(path)) return
      const content = readFile(path).replace(/\r?\n$/, '')
      const [from, end] = range
      // A block ends with its line break, which stays.
      const to = from + text.slice(from, end).trimEnd().length
      edits.push({ from, to, text: JSON.stringify(content) })
    },
  })
  return edits.reduceRight((sum, edit) => sum.slice(0, edit.from) + edit.text + sum.slice(edit.to), text)
}

/** Revocation lists in files are read again and again, so they stay files: ones that are not on the board can't be meant. */
function listFaults(text: string): readonly Fault[] {
  const lineCounter = new LineCounter()
  const faults: Fault[] = []
  visit(parseDocument(text, { schema: 'failsafe', lineCounter }), {
    Pair(_, { key, value }) {
      if (!isScalar(key) || key.value !== 'crls' || !isSeq(value)) return
      for (const item of value.items) {
        if (!isScalar(item) || !String(item.value).startsWith('/') || isOnBoard(String(item.value))) continue
        const { line, col: column } = lineCounter.linePos(item.range?.[0] ?? 0)
        const message = `found ${JSON.stringify(item.value)}, which is not sent to the board; an http address, or a file below /config there, is right`
        faults.push({ severity: 'error', line, column, where: 'crls', message })
      }
    },
  })
  return faults
}

/** A host key from what was given: the key itself, or a file with it (a board's report, a line of text). Throws an Error. */
export function readHostKey(given: string): string {
  if (given.startsWith('x25519:')) return valid(given)
  let text: string
  try {
    text = readFileSync(given, 'utf8')
  } catch (error) {
    throw new Error(`${given} is neither a host key (x25519:…) nor a file with one: ${(error as Error).message}`)
  }
  const found = /x25519:[A-Za-z0-9+/]{43}=/.exec(text)
  if (!found)
    throw new Error(
      `${given} holds no host key; a line with x25519:… as "show board" prints it, or a board's report, is right`,
    )
  return valid(found[0])
}

function valid(hostKey: string): string {
  try {
    fingerprintOf(hostKey)
    return hostKey
  } catch (error) {
    if (error instanceof SealError) throw new Error(`${hostKey.slice(0, 60)}: ${error.message}`)
    throw error
  }
}
