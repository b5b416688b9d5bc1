// Sealed bundles: opened by the board they are sealed to, by nobody else, and not after any change.
import { describe, expect, test } from 'vitest'
import { fingerprintOf, hostKeyOf, isSealed, makeBoardKey, openSealed, SealError, seal } from './sealed-bundle.ts'

const site = new TextEncoder().encode('hostname: branch-7\n')
const board = makeBoardKey()
const hostKey = hostKeyOf(board)

describe('a sealed bundle', () => {
  test('is opened with the key it was sealed to', () => {
    const bundle = seal(site, hostKey)
    expect(isSealed(bundle)).toBe(true)
    expect(openSealed(bundle, board)).toEqual(site)
    expect(Buffer.from(bundle).includes('branch-7')).toBe(false)
  })

  test('is not opened by another board', () => {
    expect(() => openSealed(seal(site, hostKey), makeBoardKey())).toThrow(SealError)
  })

  test('no octet of it can be changed, and no end cut off', () => {
    const bundle = seal(site, hostKey)
    for (let i = 0; i < bundle.length; i++) {
      const changed = bundle.slice()
      changed[i]! ^= 1
      expect(() => openSealed(changed, board)).toThrow(SealError)
      expect(() => openSealed(bundle.subarray(0, i), board)).toThrow(SealError)
    }
  })

  test('two bundles of one file have nothing in common but the head', () => {
    const [one, two] = [seal(site, hostKey), seal(site, hostKey)]
    expect(one.subarray(8)).not.toEqual(two.subarray(8))
  })

  test("a sender's key of small order is refused", () => {
    const bundle = seal(site, hostKey)
    bundle.fill(0, 8, 40)
    expect(() => openSealed(bundle, board)).toThrow(SealError)
  })
})

test('what is no host key is refused with what would be right', () => {
  expect(() => seal(site, 'ssh-ed25519 AAAA')).toThrow('x25519: and 44 characters')
  expect(() => hostKeyOf('no key')).toThrow('holds no X25519 key')
  expect(fingerprintOf(hostKey)).toMatch(/^SHA256:[A-Za-z0-9+/]{43}$/)
})
