// What the kernel plane's bench makes of its rounds; no guest is needed.
import { expect, test } from 'vitest'
import { reached } from '../../../src/cli/bench/result.ts'
import { inTurn, noiseOf, packetResults, type Round, tcpResults } from './rounds.ts'
import type { Lane, Stand } from './stand.ts'

const carried = (gbps: number) => ({ gbps, gigabits: gbps * 2, seconds: 4 })
const rounds = (ours: number, theirs: number, bare: number): Round<ReturnType<typeof carried>>[] =>
  [1, 1.02, 0.98].map((mood) => ({
    ours: carried(ours * mood),
    theirs: carried(theirs * mood),
    bare: carried(bare * mood),
  }))

test('who begins changes with each round, and the filter with whose turn it is', async () => {
  const said: string[] = []
  const guest = {
    put: (_: string, text: string) => (text.includes('chain forward') ? 'with' : 'without'),
    must: async (order: string) => said.push(order),
  }
  const lane = (side: 'ours' | 'theirs') => ({ side, server: { guest } }) as unknown as Lane
  const stand = { lanes: { ours: lane('ours'), theirs: lane('theirs') } } as unknown as Stand
  await inTurn(stand, ['ours', 'theirs', 'bare'], 3, async ({ side }) => said.push(side))
  expect(said).toEqual([
    ...['ours', 'nft -f with', 'theirs', 'nft -f without', 'theirs'],
    ...['nft -f with', 'theirs', 'nft -f without', 'theirs', 'ours'],
    ...['theirs', 'ours', 'nft -f with', 'theirs'],
  ])
})

test('beside each server, with an aim beside the one that does the same work', () => {
  const told = tcpResults('aes128-sha1', 'up', rounds(0.95, 1, 1.9), { clock: 0.06, processor: 0.04 })
  expect(told.map((one) => [one.what, Math.round(100 * (one.ratio ?? 0)), one.aim, reached(one)])).toEqual([
    ['TCP, one client', 95, { ratio: 1, within: 0.06 }, true],
    ['TCP, one client, beside a server without a filter', 50, undefined, undefined],
    ["TCP, a second of the server's processor time", 95, { ratio: 1, within: 0.04 }, false],
    ["TCP, a second of the server's processor time, beside a server without a filter", 50, undefined, undefined],
  ])
})

test('the noise is what two guests differ that do the same, by clock and by processor time', () => {
  const bare = (ours: number, theirs: number) => [{ ours: carried(ours), bare: carried(theirs) }]
  const passed = [{ ours: { packets: 104, seconds: 1 }, bare: { packets: 100, seconds: 1 } }]
  const control = [
    ...tcpResults('no encryption', 'up', bare(1.06, 1)),
    ...tcpResults('no encryption', 'down', bare(1, 1)),
    ...packetResults('no encryption', 'up', passed),
  ]
  const { clock, processor } = noiseOf(control)
  expect([clock, processor].map((share) => share.toFixed(4))).toEqual([
    Math.sqrt(0.06 ** 2 / 2).toFixed(4),
    Math.sqrt((0.06 ** 2 + 0.04 ** 2) / 3).toFixed(4),
  ])
})
