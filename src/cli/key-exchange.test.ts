// The native exchange beside node:crypto's: whoever initiates reaches the same secret.
import { expect, test } from 'vitest'
import type { Group } from '../algorithms/algorithms.ts'
import { groupNames, groups } from '../algorithms/registry.ts'
import { runWork } from '../crypto/dh.ts'
import { loadNative } from '../platform/addon.ts'
import { hex } from '../wire/codec.ts'
import { dhWork } from './key-exchange.ts'

const work = dhWork(loadNative())

async function initiate(group: Group) {
  const made = await runWork({ do: 'generate', group })
  if (made.is !== 'generated') throw new Error(`${group}: ${made.is}`)
  return made
}

test.each(groupNames)('%s: both ends reach one secret', async (group) => {
  const { privateValue, publicValue } = await initiate(group)
  const answer = await work({ do: 'exchange', group, peerPublic: publicValue })
  if (answer.is !== 'exchanged') throw new Error(JSON.stringify(answer))
  const agreed = await runWork({ do: 'agree', group, privateValue, peerPublic: answer.publicValue })
  expect(agreed).toEqual({ is: 'agreed', shared: answer.shared })
  expect([answer.publicValue.length, answer.shared.length]).toEqual([
    groups[group].publicOctets,
    groups[group].sharedOctets,
  ])
})

test('a hundred at once, each with a key of its own', async () => {
  const { publicValue } = await initiate('modp1024')
  const answers = await Promise.all(
    Array.from({ length: 100 }, () => work({ do: 'exchange', group: 'modp1024', peerPublic: publicValue })),
  )
  expect(new Set(answers.map((answer) => (answer.is === 'exchanged' ? hex(answer.publicValue) : ''))).size).toBe(100)
})

test('a value that gives the secret away is refused in words', async () => {
  const one = new Uint8Array(256)
  one[255] = 1
  expect(await work({ do: 'exchange', group: 'modp2048', peerPublic: one })).toEqual({
    is: 'failed',
    reason: 'the public value is 1',
  })
})
