// The thread that judges certificates and signs (see certificate-thread.ts): the judge of pki, with this machine's files, clock and network.
import { readFileSync, statSync } from 'node:fs'
import { parentPort } from 'node:worker_threads'
import { longestCrl } from '../pki/crl.ts'
import { Judge } from '../pki/judge.ts'
import { Revocation, type Sources } from '../pki/revocation.ts'
import type { FromThread, ToThread } from './certificate-thread.ts'

/** Our own: a peer waits for its answer meanwhile, and repeats its message. */
const httpMs = 5_000

const sources: Sources = {
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

const judge = new Judge(new Revocation(sources), () => Date.now())

parentPort!.on('message', (message: ToThread) => {
  if ('configure' in message) return judge.configure(message.configure)
  const { job, work } = message
  void judge.work(work).then((result) => parentPort!.postMessage({ job, result } satisfies FromThread))
})
