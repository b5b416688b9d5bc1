// A message that nobody answers: when it is sent again, how often, and what is left when it is given up.
import { expect, test } from 'vitest'
import { ikePolicy } from '../../test/scenarios/ike-host.ts'
import { SeededRandom } from '../../test/scenarios/network.ts'
import type { IkeInput } from './contract.ts'
import { IkeCore } from './core.ts'

/** Our first message to a host that is not there. */
function unanswered(seed: number) {
  const random = new SeededRandom(seed)
  const core = new IkeCore(ikePolicy())
  const sent: number[] = []
  const failed: number[] = []
  let now = 1_000
  const give = (input: IkeInput) => {
    for (const effect of core.handle(input, { now, random })) {
      if (effect.do === 'send') sent.push(now)
      if (effect.do === 'failed') failed.push(now)
    }
  }
  const path = { local: { address: '203.0.113.9', port: 500 }, remote: { address: '198.51.100.1', port: 500 } }
  give({ on: 'connect', request: 1, path, ports: { local: 1701, remote: 1701 } })
  while (core.deadline !== undefined && sent.length < 100) {
    now = core.deadline
    give({ on: 'tick' })
  }
  const pauses = sent.slice(1).map((at, i) => at - sent[i]!)
  return { pauses, failed: failed.length, left: [core.status().length, core.state.sas.size, core.deadline] }
}

test('RFC 2408 §5.1: the timer MUST NOT be fixed, the retries are counted, and then nothing is left', () => {
  const { pauses, failed, left } = unanswered(1)
  expect([pauses.length, failed, left]).toEqual([7, 1, [0, 0, undefined]])
  // 1, 2, 3 and then 4 seconds, each a tenth more or less.
  for (const [i, pause] of pauses.entries()) {
    const middle = Math.min(i + 1, 4) * 1_000
    expect(Math.abs(pause - middle)).toBeLessThanOrEqual(middle / 10)
  }
  expect(unanswered(2).pauses).not.toEqual(pauses)
})
