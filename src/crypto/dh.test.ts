// Diffie-Hellman against the RFCs' primes, the vectors of RFC 5903 §8 and plain modular arithmetic.
import { describe, expect, test } from 'vitest'
import type { Group } from '../algorithms/algorithms.ts'
import { groupNames, groups } from '../algorithms/registry.ts'
import { concat, hex, unhex } from '../wire/codec.ts'
import { type DhResult, publicValueFault, runWork } from './dh.ts'
import { type ModpGroup, modpPublicKey, modpPublicValue, primeOf } from './modp-keys.ts'

function expectIs<Is extends DhResult['is']>(result: DhResult, is: Is): Extract<DhResult, { is: Is }> {
  expect(result).toMatchObject({ is })
  return result as Extract<DhResult, { is: Is }>
}

const modp = groupNames.filter((name) => groups[name].kind === 'modp') as ModpGroup[]
const number = (octets: Uint8Array) => BigInt(`0x${hex(octets) || '0'}`)
const octets = (value: bigint, length: number) => unhex(value.toString(16).padStart(2 * length, '0'))

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let [result, square] = [1n, base % modulus]
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * square) % modulus
    square = (square * square) % modulus
  }
  return result
}

// pi by Machin's formula, times 2^bits.
function piTimes2To(bits: number): bigint {
  const guard = 64n
  const one = 1n << (BigInt(bits) + guard)
  const arctanOfInverse = (x: bigint) => {
    let [term, sum, n, sign] = [one / x, 0n, 1n, 1n]
    while (term > 0n) {
      sum += (sign * term) / n
      term /= x * x
      n += 2n
      sign = -sign
    }
    return sum
  }
  return (4n * (4n * arctanOfInverse(5n) - arctanOfInverse(239n))) >> guard
}

describe('primes', () => {
  // RFC 2409 §6.1, §6.2; RFC 3526 §2 to §5: 2^n - 2^(n-64) - 1 + 2^64 * { [2^(n-130) pi] + k }.
  test.each([
    ['modp768', 149686n],
    ['modp1024', 129093n],
    ['modp1536', 741804n],
    ['modp2048', 124476n],
    ['modp3072', 1690314n],
    ['modp4096', 240904n],
  ] as const)('%s is the number that its RFC prints', (group, k) => {
    const n = groups[group].bits
    const wanted = (1n << BigInt(n)) - (1n << BigInt(n - 64)) - 1n + (1n << 64n) * (piTimes2To(n - 130) + k)
    expect(number(primeOf(group))).toBe(wanted)
  })
})

describe('both ends reach one secret', () => {
  test.each(groupNames)('%s: generate and agree against exchange', async (group) => {
    const a = expectIs(await runWork({ do: 'generate', group }), 'generated')
    const b = expectIs(await runWork({ do: 'exchange', group, peerPublic: a.publicValue }), 'exchanged')
    const { privateValue } = a
    const remembered = await runWork({ do: 'agree', group, privateValue, peerPublic: b.publicValue })
    // A copy is what a restored state holds: the key is imported anew.
    const imported = await runWork({
      do: 'agree',
      group,
      privateValue: privateValue.slice(),
      peerPublic: b.publicValue,
    })
    expect(remembered).toEqual({ is: 'agreed', shared: b.shared })
    expect(imported).toEqual({ is: 'agreed', shared: b.shared })
    expect([a.publicValue.length, b.publicValue.length, b.shared.length]).toEqual([
      groups[group].publicOctets,
      groups[group].publicOctets,
      groups[group].sharedOctets,
    ])
  })

  test.each(modp)('%s: the values are g^x and g^xy', async (group) => {
    const prime = number(primeOf(group))
    const a = expectIs(await runWork({ do: 'generate', group }), 'generated')
    expect(number(a.publicValue)).toBe(power(2n, number(a.privateValue), prime))
    const b = expectIs(await runWork({ do: 'exchange', group, peerPublic: a.publicValue }), 'exchanged')
    expect(number(b.shared)).toBe(power(number(b.publicValue), number(a.privateValue), prime))
  })

  test.each(modp)('RFC 2409 §5: a public value that begins with zeros MUST keep them: %s', (group) => {
    for (const value of [5n, 1n << 300n]) {
      const padded = octets(value, groups[group].publicOctets)
      expect(modpPublicValue(group, modpPublicKey(group, padded))).toEqual(padded)
    }
  })

  test('leading zeros of the secret are kept (RFC 2409 §5)', async () => {
    // x = 2: g^xy = (g^y)^2, so a public value of 2^512 gives 2^1024, which starts with zeros modulo a prime of 2048 bits.
    const peerPublic = octets(1n << 512n, 256)
    const result = expectIs(
      await runWork({ do: 'agree', group: 'modp2048', privateValue: Uint8Array.of(2), peerPublic }),
      'agreed',
    )
    expect(result.shared).toEqual(octets(1n << 1024n, 256))
  })
})

describe('ECP: RFC 5903 §8', () => {
  test('§8.1, 256 bits: the shared value is x alone', async () => {
    const privateValue = unhex('C88F01F5 10D9AC3F 70A292DA A2316DE5 44E9AAB8 AFE84049 C62A9C57 862D1433')
    const peerPublic = concat(
      unhex('D12DFB52 89C8D4F8 1208B702 70398C34 2296970A 0BCCB74C 736FC755 4494BF63'),
      unhex('56FBF3CA 366CC23E 8157854C 13C58D6A AC23F046 ADA30F83 53E74F33 039872AB'),
    )
    const shared = unhex('D6840F6B 42F6EDAF D13116E0 E1256520 2FEF8E9E CE7DCE03 812464D0 4B9442DE')
    expect(await runWork({ do: 'agree', group: 'ecp256', privateValue, peerPublic })).toEqual({ is: 'agreed', shared })
  })

  test('§8.2, 384 bits', async () => {
    const privateValue = unhex(
      '099F3C70 34D4A2C6 99884D73 A375A67F 7624EF7C 6B3C0F16 0647B674 14DCE655 E35B5380 41E649EE 3FAEF896 783AB194',
    )
    const peerPublic = concat(
      unhex(
        'E558DBEF 53EECDE3 D3FCCFC1 AEA08A89 A987475D 12FD950D 83CFA417 32BC509D 0D1AC43A 0336DEF9 6FDA41D0 774A3571',
      ),
      unhex(
        'DCFBEC7A ACF31964 72169E83 8430367F 66EEBE3C 6E70C416 DD5F0C68 759DD1FF F83FA401 42209DFF 5EAAD96D B9E6386C',
      ),
    )
    const shared = unhex(
      '11187331 C279962D 93D60424 3FD592CB 9D0A926F 422E4718 7521287E 7156C5C4 D6031355 69B9E9D0 9CF5D4A2 70F59746',
    )
    expect(await runWork({ do: 'agree', group: 'ecp384', privateValue, peerPublic })).toEqual({ is: 'agreed', shared })
  })
})

// RFC 2409 §5: "The Diffie-Hellman public value passed in a KE payload […] MUST be the length of the negotiated Diffie-Hellman group".
describe('values that are refused (RFC 2409 §5, RFC 2412 §5, RFC 5903 §7)', () => {
  test.each(modp)('%s: 0, 1, p-1, p, above, a wrong length', async (group) => {
    const p = number(primeOf(group))
    const length = groups[group].publicOctets
    const values = [0n, 1n, p - 1n, p, p + 1n].map((value) => octets(value, length))
    expect(
      [...values, values[0]!.subarray(1), new Uint8Array()].map((value) => publicValueFault(group, value)),
    ).toEqual([
      'the public value is 0',
      'the public value is 1',
      'the public value is p-1',
      'the public value is the prime',
      'the public value is greater than the prime',
      `the public value has ${length - 1} octets; ${group} takes ${length}`,
      `the public value has 0 octets; ${group} takes ${length}`,
    ])
    expect(await runWork({ do: 'exchange', group, peerPublic: values[2]! })).toEqual({
      is: 'failed',
      reason: 'the public value is p-1',
    })
    expect([2n, p - 2n].map((value) => publicValueFault(group, octets(value, length)))).toEqual([undefined, undefined])
  })

  test.each(['ecp256', 'ecp384', 'ecp521'] as const)(
    '%s: points off the curve, zero, a wrong length',
    async (group) => {
      const { publicValue } = expectIs(await runWork({ do: 'generate', group }), 'generated')
      const off = publicValue.slice()
      off[off.length - 1]! ^= 1
      const zero = new Uint8Array(publicValue.length)
      const above = new Uint8Array(publicValue.length).fill(0xff)
      const faults = [off, zero, above].map((value) => publicValueFault(group, value))
      expect(faults.every((fault) => fault?.startsWith('the public value is no point of'))).toBe(true)
      expect(publicValueFault(group, publicValue.subarray(1))).toContain('octets')
      expect(publicValueFault(group, publicValue)).toBeUndefined()
      for (const work of ['exchange', 'agree'] as const)
        expect(await runWork({ do: work, group, privateValue: Uint8Array.of(5), peerPublic: off })).toMatchObject({
          is: 'failed',
        })
    },
  )

  test('a private value of no use fails with a reason and does not throw', async () => {
    const group: Group = 'ecp256'
    const { publicValue } = expectIs(await runWork({ do: 'generate', group }), 'generated')
    const privateValue = new Uint8Array(40).fill(1)
    const result = await runWork({ do: 'agree', group, privateValue, peerPublic: publicValue })
    expect(result).toEqual({ is: 'failed', reason: 'ecp256: 40 octets do not fit 32' })
  })
})
