// SKEYID, its children, IVs, hashes and KEYMAT against two whole negotiations between strongSwans and against hashcat's HASH_R.
import { describe, expect, test } from 'vitest'
import { jsonVector } from '../../test/vectors.ts'
import type { IkeProposal } from '../algorithms/algorithms.ts'
import { hmac } from '../crypto/hash.ts'
import { concat, hex, unhex } from '../wire/codec.ts'
import {
  deriveIkeKeys,
  espKeys,
  exchangeIv,
  hash1,
  hash2,
  hash3,
  hashI,
  hashR,
  type IkeKeys,
  keymat,
  openBody,
  phase1Iv,
  sealBody,
  skeyidOfPreSharedKey,
} from './keys.ts'
import { afterFirst, emitChain, parseChain } from './wire/chain.ts'
import { parseHeader } from './wire/header.ts'
import { payloadType } from './wire/numbers.ts'

/** RUB-NDS/ikev1-psk-main-mode-dict-attacker, strongSwan on both ends; the derived numbers were computed independently. */
type Negotiation = {
  readonly psk: string
  readonly cky_i: string
  readonly cky_r: string
  readonly gxi: string
  readonly gxr: string
  readonly ni: string
  readonly nr: string
  readonly sai_b: string
  readonly gxy: string
  readonly skeyid: string
  readonly skeyid_d: string
  readonly skeyid_a: string
  readonly skeyid_e: string
  readonly enc_key: string
  readonly iv0: string
  readonly packets: readonly string[]
  readonly m5_plain: string
  readonly hash_i: string
  readonly m6_plain?: string
  readonly hash_r?: string
  readonly qm_msgid?: string
  readonly qm_plain?: readonly string[]
  readonly spi_i?: string
  readonly spi_r?: string
  readonly ni2?: string
  readonly nr2?: string
  readonly keymat_spi_i?: string
  readonly keymat_spi_r?: string
}

const { vectors } = jsonVector<{ vectors: readonly Negotiation[] }>('ike/main-and-quick-mode')
const proposal: IkeProposal = { cipher: 'aes128', hash: 'sha1', group: 'modp1024' }

function keysOf(v: Negotiation): IkeKeys {
  const skeyid = skeyidOfPreSharedKey('sha1', new TextEncoder().encode(v.psk), unhex(v.ni), unhex(v.nr))
  return deriveIkeKeys(proposal, skeyid, unhex(v.gxy), {
    initiatorCookie: unhex(v.cky_i),
    responderCookie: unhex(v.cky_r),
  })
}

const bodyOf = (packet: string) => parseHeader(unhex(packet)).body

describe('main mode with a pre-shared key', () => {
  test.each(vectors)('$psk $cky_i: SKEYID, _d, _a, _e, the cipher key and the first IV', (v) => {
    const keys = keysOf(v)
    expect([keys.skeyid, keys.skeyidD, keys.skeyidA, keys.skeyidE, keys.cipherKey].map(hex)).toEqual([
      v.skeyid,
      v.skeyid_d,
      v.skeyid_a,
      v.skeyid_e,
      v.enc_key,
    ])
    expect(hex(phase1Iv(keys, unhex(v.gxi), unhex(v.gxr)))).toBe(v.iv0)
  })

  test.each(vectors)('$psk $cky_i: messages 5 and 6 open, prove both ends, and seal to the same octets', (v) => {
    const keys = keysOf(v)
    const transcript = {
      initiatorCookie: unhex(v.cky_i),
      responderCookie: unhex(v.cky_r),
      gxi: unhex(v.gxi),
      gxr: unhex(v.gxr),
      saiB: unhex(v.sai_b),
    }
    let iv = phase1Iv(keys, transcript.gxi, transcript.gxr)
    const messages = [
      { plain: v.m5_plain, hash: v.hash_i, prove: hashI },
      ...(v.m6_plain ? [{ plain: v.m6_plain, hash: v.hash_r!, prove: hashR }] : []),
    ]
    for (const [i, message] of messages.entries()) {
      const opened = openBody(keys, iv, bodyOf(v.packets[4 + i]!))!
      expect(hex(opened.plain)).toBe(message.plain)
      const { payloads } = parseChain(payloadType.ID, opened.plain, 'decrypted')
      const [id, proof] = payloads
      expect(hex(message.prove(keys, transcript, id!.body))).toBe(message.hash)
      expect(hex(proof!.body)).toBe(message.hash)
      // strongSwan pads with zeros as we do, but with a whole block more where none is needed.
      const chain = emitChain(payloads).octets
      const sealed = sealBody(keys, iv, concat(chain, new Uint8Array(opened.plain.length - chain.length)))
      expect(hex(sealed.sealed)).toBe(hex(bodyOf(v.packets[4 + i]!)))
      expect(sealed.iv).toEqual(opened.iv)
      iv = opened.iv
    }
  })
})

const complete = vectors.filter((v) => v.qm_plain !== undefined)

describe('quick mode', () => {
  test.each(complete)('$psk $cky_i: its IVs, HASH(1), HASH(2), HASH(3)', (v) => {
    const keys = keysOf(v)
    const messageId = Number.parseInt(v.qm_msgid!, 16)
    const lastBlock = bodyOf(v.packets[5]!).slice(-16)
    let iv = exchangeIv(keys, lastBlock, messageId)
    const [ni, nr] = [unhex(v.ni2!), unhex(v.nr2!)]
    for (const [i, plain] of v.qm_plain!.entries()) {
      const opened = openBody(keys, iv, bodyOf(v.packets[6 + i]!))!
      expect(hex(opened.plain)).toBe(plain)
      const chain = parseChain(payloadType.HASH, opened.plain, 'decrypted')
      const wanted = [
        () => hash1(keys, messageId, afterFirst(chain)),
        () => hash2(keys, messageId, ni, afterFirst(chain)),
        () => hash3(keys, messageId, ni, nr),
      ][i]!()
      expect(hex(chain.payloads[0]!.body)).toBe(hex(wanted))
      iv = opened.iv
    }
  })

  test.each(complete)('$psk $cky_i: KEYMAT of both SAs, cut into AES-128 and HMAC-SHA1 keys', (v) => {
    const keys = keysOf(v)
    const secrets = { niB: unhex(v.ni2!), nrB: unhex(v.nr2!), gxy: undefined }
    const esp = { cipher: 'aes128', hash: 'sha1', group: undefined } as const
    for (const [spi, all] of [
      [v.spi_i!, v.keymat_spi_i!],
      [v.spi_r!, v.keymat_spi_r!],
    ] as const) {
      expect(hex(keymat(keys, secrets, 3, unhex(spi), all.length / 2))).toBe(all)
      const { cipherKey, integrityKey } = espKeys(keys, secrets, esp, Number.parseInt(spi, 16))
      expect([hex(cipherKey), hex(integrityKey)]).toEqual([all.slice(0, 32), all.slice(32, 72)])
    }
  })

  test('with PFS the new secret stands in front, in each round (RFC 2409 §5.5)', () => {
    const keys = keysOf(complete[0]!)
    const [gxy, niB, nrB, spi] = ['aa'.repeat(128), 'bb'.repeat(16), 'cc'.repeat(16), 'c0de0001'].map(unhex) as [
      Uint8Array,
      Uint8Array,
      Uint8Array,
      Uint8Array,
    ]
    const seed = concat(gxy, Uint8Array.of(3), spi, niB, nrB)
    const k1 = hmac('sha1', keys.skeyidD, seed)
    const k2 = hmac('sha1', keys.skeyidD, k1, seed)
    expect(hex(keymat(keys, { niB, nrB, gxy }, 3, spi, 36))).toBe(hex(concat(k1, k2).slice(0, 36)))
    expect(hex(keymat(keys, { niB, nrB, gxy: undefined }, 3, spi, 36))).not.toBe(hex(concat(k1, k2).slice(0, 36)))
  })

  test.each([
    ['des', 'md5', 8, 16],
    ['3des', 'sha1', 24, 20],
    ['aes192', 'sha256', 24, 32],
    ['aes256', 'sha384', 32, 48],
    ['aes128', 'sha512', 16, 64],
    ['aes128', 'sha256_96', 16, 32],
    ['aes128gcm16', undefined, 20, 0],
    ['aes256gcm16', undefined, 36, 0],
    ['null', 'sha1', 0, 20],
  ] as const)(
    '%s with %s: %i octets for the cipher (salt included), %i for integrity',
    (cipher, hash, forCipher, forHash) => {
      const secrets = { niB: unhex('01'), nrB: unhex('02'), gxy: undefined }
      const keys = espKeys(keysOf(complete[0]!), secrets, { cipher, hash, group: undefined }, 0xc0de0001)
      expect([keys.cipherKey.length, keys.integrityKey.length]).toEqual([forCipher, forHash])
    },
  )
})

describe('HASH_R as hashcat has it (modules 5300 and 5400, password "hashcat")', () => {
  const { psk, md5, sha1 } = jsonVector<{ psk: string; md5: string; sha1: string }>('ike/hash-r')
  test.each([
    ['md5', md5],
    ['sha1', sha1],
  ] as const)('%s', (hash, line) => {
    const [gxr, gxi, responderCookie, initiatorCookie, saiB, idirB, niB, nrB, wanted] = line
      .split(':')
      .map(unhex) as Uint8Array[]
    const skeyid = skeyidOfPreSharedKey(hash, new TextEncoder().encode(psk), niB!, nrB!)
    const transcript = {
      gxi: gxi!,
      gxr: gxr!,
      initiatorCookie: initiatorCookie!,
      responderCookie: responderCookie!,
      saiB: saiB!,
    }
    expect(hex(hashR({ hash, skeyid }, transcript, idirB!))).toBe(hex(wanted!))
  })
})

describe('cipher keys longer than SKEYID_e (RFC 2409 app. B)', () => {
  const v = vectors[0]!
  const cookies = { initiatorCookie: unhex(v.cky_i), responderCookie: unhex(v.cky_r) }
  test.each([
    ['3des', 'sha1', 24],
    ['aes256', 'md5', 32],
    ['aes256', 'sha1', 32],
  ] as const)('%s with %s: prf(SKEYID_e, 0), then chained', (cipher, hash, length) => {
    const keys = deriveIkeKeys({ cipher, hash, group: 'modp1024' }, unhex(v.skeyid), unhex(v.gxy), cookies)
    const k1 = hmac(hash, keys.skeyidE, Uint8Array.of(0))
    const k2 = hmac(hash, keys.skeyidE, k1)
    expect(hex(keys.cipherKey)).toBe(hex(concat(k1, k2).slice(0, length)))
  })

  test('long enough: its first octets', () => {
    const keys = deriveIkeKeys(
      { cipher: 'aes256', hash: 'sha512', group: 'modp1024' },
      unhex(v.skeyid),
      unhex(v.gxy),
      cookies,
    )
    expect(keys.cipherKey).toEqual(keys.skeyidE.slice(0, 32))
  })
})

describe('bodies that cannot be opened', () => {
  test.each([0, 1, 15, 17])('%i octets are no blocks', (length) => {
    const keys = keysOf(vectors[0]!)
    expect(openBody(keys, new Uint8Array(16), new Uint8Array(length))).toBeUndefined()
  })
})
