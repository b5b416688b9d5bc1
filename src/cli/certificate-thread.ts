// Certificates on a thread of their own: judging a chain, RSA signatures and waiting for revocation lists never hold up the gateway. The thread is started when
// certificates are configured and not before: it costs some twenty megabytes.
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { Certificates } from '../gateway/platform.ts'
import type { CertificateWork, WorkResult } from '../ike/contract.ts'
import type { CertificateSettings } from '../pki/settings.ts'

/** What goes over to the thread, and what comes back. */
export type ToThread =
  | { readonly configure: CertificateSettings }
  | { readonly job: number; readonly work: CertificateWork }
export type FromThread = { readonly job: number; readonly result: WorkResult }

/** `failed` hears of a thread that died; the next work starts another. */
export function certificateThread(failed: (why: string) => void): Certificates {
  const waiting = new Map<number, (result: WorkResult) => void>()
  let thread: Worker | undefined
  let settings: CertificateSettings | undefined
  let next = 1

  const giveUp = (reason: string) => {
    thread = undefined
    for (const resolve of waiting.values()) resolve({ is: 'failed', reason })
    waiting.clear()
  }
  const start = (): Worker => {
    // On a device the sources are JavaScript.
    const worker = new Worker(new URL(`./certificate-worker${extname(import.meta.filename)}`, import.meta.url))
    worker.on('message', ({ job, result }: FromThread) => {
      waiting.get(job)?.(result)
      waiting.delete(job)
    })
    worker.on('error', (error) => {
      failed(error.message)
      giveUp(`the certificate could not be judged: ${error.message}`)
    })
    worker.unref()
    if (settings) worker.postMessage({ configure: settings } satisfies ToThread)
    return worker
  }
  return {
    configure: (given) => {
      settings = given
      if (thread) thread.postMessage({ configure: given } satisfies ToThread)
      else if (given.rules.length > 0) thread = start()
    },
    work: (work) => {
      thread ??= start()
      const job = next++
      thread.postMessage({ job, work } satisfies ToThread)
      return new Promise((resolve) => waiting.set(job, resolve))
    },
  }
}
