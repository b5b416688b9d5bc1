// Where the judge's thread gets revocation lists and OCSP answers: this machine's files, its clock, and HTTP, bounded in time and octets.
import { readFileSync, statSync } from 'node:fs'
import { longestCrl } from '../pki/crl.ts'
import type { Sources } from '../pki/revocation.ts'

/** Our own: a peer waits for its answer meanwhile, and repeats its message. */
const httpMs = 5_000

export const sources: Sources = {
  now: () => Date.now(),
  file: (path) => {
    const { size } = statSync(path)
    if (size > longestCrl) throw new Error(`${path} has ${size} octets; at most ${longestCrl} are read`)
    return readFileSync(path)
  },
  http: async (url, { most, body, type }) => {
    const response = await fetch(url, {
      ...(body
        ? { method: 'POST', body: Buffer.from(body), headers: { 'content-type': type ?? 'application/octet-stream' } }
        : {}),
      redirect: 'error',
      signal: AbortSignal.timeout(httpMs),
    }).catch((error: Error) => {
      throw new Error(`${url} does not answer: ${(error.cause as Error | undefined)?.message ?? error.message}`)
    })
    if (!response.ok || !response.body) throw new Error(`${url} answers ${response.status}`)
    const parts: Uint8Array[] = []
    let length = 0
    for await (const part of response.body) {
      length += part.length
      if (length > most) throw new Error(`${url} sends more than ${most} octets`)
      parts.push(part)
    }
    return Buffer.concat(parts)
  },
}
