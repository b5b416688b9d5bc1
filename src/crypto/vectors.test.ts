// Published vectors, and OpenSSL's own primes against the RFCs' formulas.
import { createCipheriv } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { hex, unhex } from '../wire/codec.ts'
import { cbcDecrypt, cbcEncrypt } from './cipher.ts'
import { sameSecret, wipe } from './constant-time.ts'
import { desEncryptBlock, desKeyFrom56Bits } from './des.ts'
import { hash, hmac } from './hash.ts'
import { md4 } from './md4.ts'

const text = (value: string) => new TextEncoder().encode(value)
const repeated = (octet: number, length: number) => new Uint8Array(length).fill(octet)

describe('MD4: RFC 1320 app. A.5', () => {
  test.each([
    ['', '31d6cfe0d16ae931b73c59d7e0c089c0'],
    ['a', 'bde52cb31de33e46245e05fbdbd6fb24'],
    ['abc', 'a448017aaf21d8525fc10ae87aa6729d'],
    ['message digest', 'd9130a8164549fe818874806e1c7014b'],
    ['abcdefghijklmnopqrstuvwxyz', 'd79e1c308aa5bbcdeea8ed63df412da9'],
    ['ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789', '043f8582f241db351ce627e153e7f0e4'],
    [
      '12345678901234567890123456789012345678901234567890123456789012345678901234567890',
      'e33b4ddc9c38f2199c3e7b164fcc0536',
    ],
  ])('%j', (message, digest) => {
    expect(hex(md4(text(message)))).toBe(digest)
  })
})

describe('HMAC: RFC 2202 §2, §3', () => {
  test.each([
    ['md5', repeated(0x0b, 16), text('Hi There'), '9294727a3638bb1c13f48ef8158bfc9d'],
    ['md5', text('Jefe'), text('what do ya want for nothing?'), '750c783e6ab0b503eaa86e310a5db738'],
    ['md5', repeated(0xaa, 16), repeated(0xdd, 50), '56be34521d144c88dbb8c733f0e8b3f6'],
    [
      'md5',
      repeated(0xaa, 80),
      text('Test Using Larger Than Block-Size Key - Hash Key First'),
      '6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd',
    ],
    ['sha1', repeated(0x0b, 20), text('Hi There'), 'b617318655057264e28bc0b6fb378c8ef146be00'],
    ['sha1', text('Jefe'), text('what do ya want for nothing?'), 'effcdf6ae5eb2fa2d27416d5f184df9c259a7c79'],
    ['sha1', repeated(0xaa, 20), repeated(0xdd, 50), '125d7342b9ac11cd91a39af48aa17b4f63f175d3'],
    [
      'sha1',
      repeated(0xaa, 80),
      text('Test Using Larger Than Block-Size Key - Hash Key First'),
      'aa4ae5e15272d00e95705637ce8a3b55ed402112',
    ],
  ] as const)('%s, case %#', (digest, key, data, mac) => {
    expect(hex(hmac(digest, key, data))).toBe(mac)
  })
})

describe('HMAC: RFC 4231 §4', () => {
  const one = [repeated(0x0b, 20), text('Hi There')] as const
  const two = [text('Jefe'), text('what do ya want for nothing?')] as const
  test.each([
    ['sha256', ...one, 'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7'],
    [
      'sha384',
      ...one,
      'afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6',
    ],
    [
      'sha512',
      ...one,
      '87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854',
    ],
    ['sha256', ...two, '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843'],
    [
      'sha384',
      ...two,
      'af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649',
    ],
    [
      'sha512',
      ...two,
      '164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737',
    ],
  ] as const)('%s, case %#', (digest, key, data, mac) => {
    expect(hex(hmac(digest, key, data))).toBe(mac)
  })

  test('parts are one message', () => {
    expect(hmac('sha256', text('key'), text('ab'), text(''), text('c'))).toEqual(
      hmac('sha256', text('key'), text('abc')),
    )
    expect(hash('sha1', text('a'), text('bc'))).toEqual(unhex('a9993e364706816aba3e25717850c26c9cd0d89d'))
  })
})

describe('CBC', () => {
  test('AES-128: RFC 3602 §4, case 1 and 2', () => {
    const one = cbcEncrypt(
      'aes128',
      unhex('06a9214036b8a15b512e03d534120006'),
      unhex('3dafba429d9eb430b422da802c9fac41'),
      text('Single block msg'),
    )
    expect(hex(one)).toBe('e353779c1079aeb82708942dbe77181a')
    const key = unhex('c286696d887c9aa0611bbb3e2025a45a')
    const iv = unhex('562e17996d093d28ddb3ba695a2e6f58')
    const plain = unhex('000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f')
    const sealed = cbcEncrypt('aes128', key, iv, plain)
    expect(hex(sealed)).toBe('d296cd94c2cccf8a3a863028b5e1dc0a7586602d253cfff91b8266bea6d61ab1')
    expect(cbcDecrypt('aes128', key, iv, sealed)).toEqual(plain)
  })

  test('AES-192 and AES-256: NIST SP 800-38A, F.2.3 and F.2.5, first block', () => {
    const iv = unhex('000102030405060708090a0b0c0d0e0f')
    const plain = unhex('6bc1bee22e409f96e93d7e117393172a')
    const key192 = unhex('8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b')
    const key256 = unhex('603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4')
    expect(hex(cbcEncrypt('aes192', key192, iv, plain))).toBe('4f021db243bc633d7178183a9fa071e8')
    expect(hex(cbcEncrypt('aes256', key256, iv, plain))).toBe('f58c4c04d6e5f1ba779eabfb5f7bfbd6')
  })

  test('DES: FIPS 81, table C1 (ECB of "Now is t") and the CBC of table C2', () => {
    const key = unhex('0123456789abcdef')
    expect(hex(desEncryptBlock(key, text('Now is t')))).toBe('3fa40e8a984d4815')
    const sealed = cbcEncrypt('des', key, unhex('1234567890abcdef'), text('Now is the time for all '))
    expect(hex(sealed)).toBe('e5c7cdde872bf27c43e934008c389c0f683788499a7c05f6')
    expect(cbcDecrypt('des', key, unhex('1234567890abcdef'), sealed)).toEqual(text('Now is the time for all '))
  })

  test('3DES uses all three keys: E(k3, D(k2, E(k1, x)))', () => {
    const keys = ['0123456789abcdef', '23456789abcdef01', '456789abcdef0123'].map(unhex)
    const whole = unhex('0123456789abcdef23456789abcdef01456789abcdef0123')
    const zero = new Uint8Array(8)
    const inner = cbcDecrypt('des', keys[1]!, zero, desEncryptBlock(keys[0]!, text('The qufc')))
    expect(cbcEncrypt('3des', whole, zero, text('The qufc'))).toEqual(desEncryptBlock(keys[2]!, inner))
    expect(hex(cbcEncrypt('3des', whole, zero, text('The qufc')))).toBe('a826fd8ce53b855f')
  })

  test('wrong lengths are our own bug', () => {
    const iv = new Uint8Array(16)
    expect(() => cbcEncrypt('aes128', new Uint8Array(15), iv, iv)).toThrow(RangeError)
    expect(() => cbcEncrypt('aes128', iv, new Uint8Array(8), iv)).toThrow(RangeError)
    expect(() => cbcDecrypt('aes128', iv, iv, new Uint8Array(17))).toThrow(RangeError)
  })

  test('the result is no view of a shared pool', () => {
    const reference = createCipheriv('aes-128-cbc', new Uint8Array(16), new Uint8Array(16)).setAutoPadding(false)
    const sealed = cbcEncrypt('aes128', new Uint8Array(16), new Uint8Array(16), new Uint8Array(32))
    expect(hex(sealed)).toBe(hex(reference.update(new Uint8Array(32))))
    expect(sealed.buffer.byteLength).toBe(32)
  })
})

describe('DES keys of 56 bits: RFC 2759 §9.2, parity bits aside', () => {
  test('each octet carries seven bits, the lowest is parity', () => {
    const withoutParity = (key: string) => unhex(key).map((octet) => octet & 0xfe)
    expect(desKeyFrom56Bits(unhex('fc156af7edcd6c'))).toEqual(withoutParity('fd0b5b5e7f6e34d9'))
    expect(desKeyFrom56Bits(unhex('0edde3337d427f'))).toEqual(withoutParity('0e6e796737ea08fe'))
    expect(hex(desKeyFrom56Bits(repeated(0xff, 7)))).toBe('fefefefefefefefe')
    expect(hex(desKeyFrom56Bits(unhex('00000000000001')))).toBe('0000000000000002')
  })
})

describe('secrets', () => {
  test('are compared whole, and lengths must agree', () => {
    expect(sameSecret(unhex('0102'), unhex('0102'))).toBe(true)
    expect(sameSecret(unhex('0102'), unhex('0103'))).toBe(false)
    expect(sameSecret(unhex('0102'), unhex('010200'))).toBe(false)
  })

  test('are overwritten', () => {
    const secret = unhex('0102')
    wipe(secret)
    expect(secret).toEqual(new Uint8Array(2))
  })
})
