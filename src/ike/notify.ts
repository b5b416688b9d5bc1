// Notifies in clear, to peers with whom nothing is agreed yet: within a quota, so that no two hosts ever answer each other in a loop.
import { type Path, sourceOf } from '../wire/address.ts'
import type { Cookies } from './keys.ts'
import { clearMessage } from './message.ts'
import { allowed } from './quota.ts'
import { send, type Turn } from './turn.ts'
import { ikeNotify, ikeSpi } from './wire/notifications.ts'
import { exchangeType } from './wire/numbers.ts'

export function notifyInClear(turn: Turn, path: Path, cookies: Cookies, notify: number): void {
  if (!allowed(turn.state.notifyQuota, sourceOf(path.remote.address), turn.now)) return
  const [a, b, c, d] = turn.random.octets(4) as unknown as [number, number, number, number]
  const messageId = a * 0x100_0000 + b * 0x1_0000 + c * 0x100 + d || 1
  const outgoing = { cookies, exchange: exchangeType.informational, messageId }
  send(turn, path, clearMessage(outgoing, [ikeNotify(notify, ikeSpi(cookies))]))
}
