// Diffie-Hellman of the gateway: a responder's exchange by MODP as one native job, by ECP256 as one native call, everything else as crypto/dh.ts does it.
//
// node:crypto takes two trips to its thread pool and OpenSSL's forms of three keys for what are two exponentiations; of ECP256 it makes objects, and reads
// the curve's name, for what are 40 µs.

import { type DhResult, type DhWork, publicValueFault, runWork } from '../crypto/dh.ts'
import { isEcp } from '../crypto/ecp-keys.ts'
import type { NativeModule } from '../platform/addon.ts'

/** Does the work; never rejects, as `runWork`. */
export function dhWork(
  native: Pick<NativeModule, 'exchangeKeys' | 'exchangeKeysAtOnce'>,
): (work: DhWork) => Promise<DhResult> {
  return async (work) => {
    const atOnce = work.group === 'ecp256'
    if (work.do !== 'exchange' || (isEcp(work.group) && !atOnce)) return runWork(work)
    // The native side looks at the value itself; the words for it are ours.
    const exchanged = atOnce
      ? native.exchangeKeysAtOnce(work.group, work.peerPublic)
      : await native.exchangeKeys(work.group, work.peerPublic)
    if (exchanged) return { is: 'exchanged', ...exchanged }
    return { is: 'failed', reason: publicValueFault(work.group, work.peerPublic) ?? `${work.group}: libcrypto failed` }
  }
}
