// How an endpoint of either role leaves: from the top layer down, each given a moment on the wire before the one that carries it goes.
import type { Timers } from '../platform/clock.ts'
import type { Endpoint } from './endpoint.ts'

/** Our own: longer than a round trip almost anywhere, shorter than anybody's patience at a shutdown. */
const momentMs = 300

/** LCP Terminate; CDN and StopCCN; Delete. Afterwards nobody is left, and the fast path may close. */
export async function farewell(endpoint: Endpoint, timers: Timers, why: string): Promise<void> {
  if (endpoint.peers.size === 0) return
  const moment = () => new Promise<void>((resolve) => timers.after(momentMs, resolve))
  if (endpoint.calls.size > 0) {
    for (const call of [...endpoint.calls.values()]) endpoint.end(call, why)
    await moment()
  }
  for (const call of [...endpoint.calls.values()]) endpoint.hangUp(call, why)
  endpoint.l2tp({ on: 'shutdown', text: why })
  await moment()
  endpoint.ike({ on: 'shutdown' })
  await moment()
}
