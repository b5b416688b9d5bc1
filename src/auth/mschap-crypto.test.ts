import { describe, expect, test } from 'vitest'
import { md4 } from '../crypto/md4.ts'
import { hex, unhex } from '../wire/codec.ts'
import {
  authenticatorResponse,
  authenticatorResponseText,
  challengeHash,
  challengeResponse,
  ntPasswordHash,
  ntResponseV2,
  utf16le,
  withoutDomain,
} from './mschap-crypto.ts'

const text = (value: string) => new TextEncoder().encode(value)

describe('RFC 2433 §B.2: the example of version 1', () => {
  const hash = ntPasswordHash('MyPw')
  test('NT hash', () => expect(hex(hash)).toBe('fc156af7edcd6c0edde3337d427f4eac'))
  test('NT response', () =>
    expect(hex(challengeResponse(unhex('102db5df085d3041'), hash))).toBe(
      '4e9d3c8f9cfd385d5bf4d3246791956ca4c351ab409a3d61',
    ))
})

describe('RFC 2759 §9.2: the example of version 2', () => {
  const user = text('User')
  const authenticatorChallenge = unhex('5b5d7c7d7b3f2f3e3c2c602132262628')
  const peerChallenge = unhex('21402324255e262a28295f2b3a337c7e')
  const exchange = { user, authenticatorChallenge, peerChallenge }
  const hash = ntPasswordHash('clientPass')

  test('password in UTF-16LE', () =>
    expect(hex(utf16le('clientPass'))).toBe('63006c00690065006e0074005000610073007300'))
  test('NT hash', () => expect(hex(hash)).toBe('44ebba8d5312b8d611474411f56989ae'))
  test('hash of the hash', () => expect(hex(md4(hash))).toBe('41c00c584bd2d91c4017a2a12fa59f3f'))
  test('8-octet challenge', () =>
    expect(hex(challengeHash(peerChallenge, authenticatorChallenge, user))).toBe('d02e4386bce91226'))
  test('NT response', () =>
    expect(hex(ntResponseV2(exchange, hash))).toBe('82309ecd8d708b5ea08faa3981cd83544233114a3d85d6df'))
  test('authenticator response', () =>
    expect(authenticatorResponseText(authenticatorResponse(exchange, ntResponseV2(exchange, hash), hash))).toBe(
      'S=407A5589115FD0D6209F510FE9C04566932CDA56',
    ))
})

test.each([
  ['User', 'User'],
  ['BIGCO\\johndoe', 'johndoe'],
  ['johndoe@bigco.example', 'johndoe@bigco.example'],
  ['', ''],
])('the name of %s without its domain', (sent, name) => {
  expect(withoutDomain(text(sent))).toEqual(text(name))
})
