// The thread that judges certificates and signs (see certificate-thread.ts): the judge of pki, with this machine's files, clock and network.
import { parentPort } from 'node:worker_threads'
import { Judge } from '../pki/judge.ts'
import { Revocation } from '../pki/revocation.ts'
import type { FromThread, ToThread } from './certificate-thread.ts'
import { sources } from './revocation-sources.ts'

const judge = new Judge(new Revocation(sources), () => Date.now())

parentPort!.on('message', (message: ToThread) => {
  if ('configure' in message) return judge.configure(message.configure)
  const { job, work } = message
  void judge.work(work).then((result) => parentPort!.postMessage({ job, result } satisfies FromThread))
})
