import type { AuthAttempt, AuthVerdict } from '../auth/contract.ts'
import { authenticatorResponse, ntPasswordHash, ntResponseV2 } from '../auth/mschap-crypto.ts'
import type { UserEntry } from '../config/configuration.ts'
import { equal } from '../wire/codec.ts'
import type { Verifier } from './cores.ts'

export function stubUsers(users: readonly UserEntry[]): Verifier {
  let known = users
  return {
    change: (after) => {
      known = after
    },
    verify: async (attempt: AuthAttempt): Promise<AuthVerdict> => {
      const entry = known.find((user) => user.name === attempt.user)
      if (!entry?.password) return { is: 'refused', error: 691, retry: false, why: `there is no user ${attempt.user}` }
      if (attempt.kind === 'pap') {
        return equal(attempt.password.reveal(), entry.password.reveal())
          ? { is: 'accepted', user: entry.name, authenticatorResponse: undefined }
          : { is: 'refused', error: 691, retry: false, why: 'the password is wrong' }
      }
      if (attempt.kind !== 'mschapv2') throw new Error('no')
      const hash = ntPasswordHash(entry.password.revealText())
      const exchange = { ...attempt, user: attempt.userOctets }
      return equal(ntResponseV2(exchange, hash), attempt.ntResponse)
        ? {
            is: 'accepted',
            user: entry.name,
            authenticatorResponse: authenticatorResponse(exchange, attempt.ntResponse, hash),
          }
        : { is: 'refused', error: 691, retry: true, why: 'the password is wrong' }
    },
  }
}
