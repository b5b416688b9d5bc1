// Diffie-Hellman of the gateway: a responder's exchange by MODP as one native job, everything else as crypto/dh.ts does it.
//
// node:crypto takes two trips to its thread pool and OpenSSL's forms of three keys for what are two exponentiations.

import { type DhResult, type DhWork, publicValueFault, runWork } from '../crypto/dh.ts'
import { isEcp } from '../crypto/ecp-keys.ts'
import type { NativeModule } from '../platform/addon.ts'

/** Does the work; never rejects, as `runWork`. */
export function dhWork(native: Pick<NativeModule, 'exchangeKeys'>): (work: DhWork) => Promise<DhResult> {
  return async (work) => {
    if (work.do !== 'exchange' || isEcp(work.group)) return runWork(work)
    const fault = publicValueFault(work.group, work.peerPublic)
    if (fault) return { is: 'failed', reason: fault }
    const exchanged = await native.exchangeKeys(work.group, work.peerPublic)
    if (!exchanged) return { is: 'failed', reason: `${work.group}: libcrypto failed` }
    return { is: 'exchanged', ...exchanged }
  }
}
