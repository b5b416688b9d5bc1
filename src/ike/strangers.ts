// Messages that belong to no ISAKMP SA of ours: other versions, other exchanges, forgotten SAs. They are survived: reported and at most answered
// with one notify, both within a quota.
import { hearUnknown } from './exchanges/informational.ts'
import type { Received } from './message.ts'
import { notifyInClear } from './notify.ts'
import { refuse, reportInvalid, type Turn } from './turn.ts'
import { exchangeType, nameOf, notifyType } from './wire/numbers.ts'

export function receiveStranger(turn: Turn, received: Received): void {
  const { header, path } = received
  const who = { path, client: 'unknown' } as const
  if (header.major === 2) {
    const why =
      'the peer speaks IKEv2, this gateway L2TP over IKEv1: choose L2TP/IPsec with a pre-shared key on the client'
    return refuse(turn, who, 'exchange type', why, undefined)
  }
  if (header.major !== 1 || header.minor !== 0)
    return reportInvalid(turn, path, `ISAKMP version ${header.major}.${header.minor}`)
  switch (header.exchange) {
    case exchangeType.informational:
      return hearUnknown(turn, received)
    case exchangeType.main:
    case exchangeType.quick:
    case exchangeType.transaction:
      return reportInvalid(
        turn,
        path,
        `${nameOf(exchangeType, header.exchange)} mode for an ISAKMP SA that does not exist (any more)`,
      )
    case exchangeType.aggressive: {
      const why =
        'the peer wants aggressive mode, which this gateway does not speak: leave the group or identifier field empty on the client, then it uses main mode'
      refuse(turn, who, 'exchange type', why, undefined)
      return notifyInClear(turn, path, header, notifyType['UNSUPPORTED-EXCHANGE-TYPE'])
    }
    default: {
      reportInvalid(
        turn,
        path,
        `an exchange of type ${nameOf(exchangeType, header.exchange)}, which is not spoken here`,
      )
      notifyInClear(turn, path, header, notifyType['UNSUPPORTED-EXCHANGE-TYPE'])
    }
  }
}
