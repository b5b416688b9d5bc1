// The native exchange beside node:crypto's: whoever initiates reaches the same secret.
import { expect, test } from 'vitest'
import type { Group } from '../algorithms/algorithms.ts'
import { groupNames, groups } from '../algorithms/registry.ts'
import { cbcDecrypt, cbcEncrypt, codeCbcBy } from '../crypto/cipher.ts'
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

test('the native ciphers code as node:crypto does, every one of them', () => {
  const native = loadNative()
  const octets = (length: number, from: number) => Uint8Array.from({ length }, (_, i) => (from + 7 * i) & 0xff)
  const sizes = { des: [8, 8], '3des': [24, 8], aes128: [16, 16], aes192: [24, 16], aes256: [32, 16] } as const
  for (const cipher of ['des', '3des', 'aes128', 'aes192', 'aes256'] as const) {
    const [key, iv] = [octets(sizes[cipher][0], 1), octets(sizes[cipher][1], 99)]
    // The last one is longer than what is joined for one call.
    for (const plain of [octets(0, 0), octets(16, 3), octets(480, 5), octets(4096, 5)]) {
      codeCbcBy(undefined)
      const sealed = cbcEncrypt(cipher, key, iv, plain)
      let called = 0
      codeCbcBy((...all) => {
        called++
        return native.codeCbc(...all)
      })
      expect(cbcEncrypt(cipher, key, iv, plain)).toEqual(sealed)
      expect(cbcDecrypt(cipher, key, iv, sealed)).toEqual(plain)
      expect(called).toBe(plain.length < 4096 ? 2 : 0)
      codeCbcBy(undefined)
    }
  }
})

test('key, IV and text that are said to be longer than their array', () => {
  expect(() => loadNative().codeCbc(true, new Uint8Array(63), 32, 16, 16)).toThrow(RangeError)
  expect(loadNative().codeCbc(true, new Uint8Array(64), 31, 16, 16)).toBe(false)
})
