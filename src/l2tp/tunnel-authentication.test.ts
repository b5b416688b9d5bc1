// Challenge and response as xl2tpd 1.3.18 computes them: read off the wire between it and this code, secret s3cret.
import { describe, expect, test } from 'vitest'
import { hex, unhex } from '../wire/codec.ts'
import { newChallenge, responseFits, responseTo } from './tunnel-authentication.ts'

const secret = new TextEncoder().encode('s3cret')

describe('tunnel authentication (RFC 2661 §4.2)', () => {
  test("SCCRP: our response to xl2tpd's challenge, which it took", () => {
    expect(hex(responseTo(unhex('2f2bc4214cac01965076d6cffe623d71'), secret, 'SCCRP'))).toBe(
      'a933a1a4629a5bcf261e35c09dc10b88',
    )
  })

  test("SCCCN: xl2tpd's response to our challenge", () => {
    const challenge = unhex('0a7441de84a05628613d361c876277e4')
    const response = unhex('81f8f43033bc75bd0f5f7a464ea3df33')
    expect(responseFits(response, challenge, secret, 'SCCCN')).toBe(true)
    expect(responseFits(response, challenge, secret, 'SCCRP')).toBe(false)
    expect(responseFits(response, challenge, new TextEncoder().encode('other'), 'SCCCN')).toBe(false)
    expect(responseFits(response.slice(1), challenge, secret, 'SCCCN')).toBe(false)
  })

  test('challenges are 16 octets of the source given', () => {
    expect(hex(newChallenge({ octets: (length) => new Uint8Array(length).fill(5) }))).toBe('05'.repeat(16))
  })
})
