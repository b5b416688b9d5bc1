// RFC 4754 §8: its keys, and its signatures over the hash of "abc".
import {
  constants,
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  publicDecrypt,
} from 'node:crypto'
import { expect, test } from 'vitest'
import { unhex } from '../wire/codec.ts'
import { methodOf, signHash, verifyHash } from './signature.ts'

const vectors = [
  {
    section: '§8.1',
    crv: 'P-256',
    hash: 'sha256',
    method: 9,
    w: 'dc51d3866a15bacde33d96f992fca99da7e6ef0934e7097559c27f1614c88a7f',
    gwx: '2442a5cc0ecd015fa3ca31dc8e2bbc70bf42d60cbca20085e0822cb04235e970',
    gwy: '6fc98bd7e50211a4a27102fa3549df79ebcb4bf246b80945cddfe7d509bbfd7d',
    r: 'cb28e0999b9c7715fd0a80d8e47a77079716cbbf917dd72e97566ea1c066957c',
    s: '86fa3bb4e26cad5bf90b7f81899256ce7594bb1ea0c89212748bff3b3d5b0315',
  },
  {
    section: '§8.2',
    crv: 'P-384',
    hash: 'sha384',
    method: 10,
    w: '0beb646634ba87735d77ae4809a0ebea865535de4c1e1dcb692e84708e81a5af62e528c38b2a81b35309668d73524d9f',
    gwx: '96281bf8dd5e0525ca049c048d345d3082968d10fedf5c5aca0c64e6465a97ea5ce10c9dfec21797415710721f437922',
    gwy: '447688ba94708eb6e2e4d59f6ab6d7edff9301d249fe49c33096655f5d502fad3d383b91c5e7edaa2b714cc99d5743ca',
    r: 'fb017b914e29149432d8bac29a514640b46f53ddab2c69948084e2930f1c8f7e08e07c9c63f2d21a07dcb56a6af56eb3',
    s: 'b263a1305e057f984d38726a1b46874109f417bca112674c528262a40a629af1cbb9f516ce0fa7d2ff630863a00e8b9f',
  },
  {
    section: '§8.3',
    crv: 'P-521',
    hash: 'sha512',
    method: 11,
    w: '0065fda3409451dcab0a0ead45495112a3d813c17bfd34bdf8c1209d7df5849120597779060a7ff9d704adf78b570ffad6f062e95c7e0c5d5481c5b153b48b375fa1',
    gwx: '0151518f1af0f563517edd5485190df95a4bf57b5cba4cf2a9a3f6474725a35f7afe0a6ddeb8bedbcd6a197e592d40188901cecd650699c9b5e456aea5add19052a8',
    gwy: '006f3b142ea1bfff7e2837ad44c9e4ff6d2d34c73184bbad90026dd5e6e85317d9df45cad7803c6c20035b2f3ff63aff4e1ba64d1c077577da3f4286c58f0aeae643',
    r: '0154fd3836af92d0dca57dd5341d3053988534fde8318fc6aaaab68e2e6f4339b19f2f281a7e0b22c269d93cf8794a9278880ed7dbb8d9362caeacee544320552251',
    s: '017705a7030290d1ceb605a9a1bb03ff9cdd521e87a696ec926c8c10c8362df4975367101f67d1cf9bccbf2f3d239534fa509e70aac851ae01aac68d62f866472660',
  },
] as const

const base64url = (hex: string) => Buffer.from(hex, 'hex').toString('base64url')

test.each(vectors)('RFC 4754 $section: $crv', ({ crv, hash, method, w, gwx, gwy, r, s }) => {
  const point = { kty: 'EC', crv, x: base64url(gwx), y: base64url(gwy) }
  const peer = createPublicKey({ key: point, format: 'jwk' })
  const own = createPrivateKey({ key: { ...point, d: base64url(w) }, format: 'jwk' })
  const digest = Uint8Array.from(createHash(hash).update('abc').digest())
  expect(methodOf(peer)).toBe(method)
  expect(verifyHash(peer, digest, unhex(r + s))).toBe(true)
  // r and s the other way round, and cut by an octet.
  expect(verifyHash(peer, digest, unhex(s + r))).toBe(false)
  expect(verifyHash(peer, digest, unhex((r + s).slice(2)))).toBe(false)
  const signature = signHash(own, digest)
  expect(signature.length * 2).toBe(r.length + s.length)
  expect(verifyHash(peer, digest, signature)).toBe(true)
})

test('RFC 2409 §5.1: RSA MUST be a private key operation over the bare hash, without the OID of PKCS #1 signatures', () => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const hash = Uint8Array.from(createHash('sha1').update('abc').digest())
  const signature = signHash(privateKey, hash)
  const block = publicDecrypt({ key: publicKey, padding: constants.RSA_NO_PADDING }, signature)
  // RFC 2313 §8.1: 00 01 FF … FF 00, then the data.
  const padding = [0, 1, ...Array<number>(256 - 3 - hash.length).fill(0xff), 0]
  expect([...block]).toEqual([...padding, ...hash])
})
