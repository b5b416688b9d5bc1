import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { allowedFrom, disabledAt, isWeak, offersFor, proposalsFor } from './levels.ts'
import { parseEspProposal, parseIkeProposal, showEspProposal, showIkeProposal } from './proposals.ts'
import {
  cipherNames,
  ciphers,
  espCipherOf,
  espHashOf,
  groupNames,
  groupOfValue,
  groups,
  hashes,
  hashNames,
  ikeCipherOf,
  ikeHashOf,
} from './registry.ts'

describe('the registry', () => {
  test('phase 1 ciphers by number and key length', () => {
    const table = [
      [1, undefined, 'des'],
      [5, undefined, '3des'],
      [5, 192, '3des'],
      [5, 128, undefined],
      [7, 128, 'aes128'],
      [7, 192, 'aes192'],
      [7, 256, 'aes256'],
      [7, undefined, 'aes128'],
      [7, 0, 'aes128'],
      [7, 64, undefined],
      [8, 128, undefined],
    ] as const
    expect(table.map(([value, bits]) => [value, bits, ikeCipherOf(value, bits)])).toEqual(table)
  })

  test('ESP ciphers by transform and key length', () => {
    const table = [
      [2, undefined, 'des'],
      [3, undefined, '3des'],
      [11, undefined, 'null'],
      [12, 256, 'aes256'],
      [12, undefined, 'aes128'],
      [20, 128, 'aes128gcm16'],
      [20, 256, 'aes256gcm16'],
      [18, 128, undefined],
    ] as const
    expect(table.map(([value, bits]) => [value, bits, espCipherOf(value, bits)])).toEqual(table)
  })

  test('hashes by number: SHA2 starts at 4 in phase 1 and at 5 in ESP', () => {
    expect([1, 2, 3, 4, 5, 6].map(ikeHashOf)).toEqual(['md5', 'sha1', undefined, 'sha256', 'sha384', 'sha512'])
    expect([1, 2, 3, 5, 6, 7, 252].map(espHashOf)).toEqual([
      'md5',
      'sha1',
      undefined,
      'sha256',
      'sha384',
      'sha512',
      'sha256_96',
    ])
  })

  test('groups by number, with the lengths of KE and secret', () => {
    const seen = [1, 2, 5, 14, 15, 16, 19, 20, 21, 3, 22, 31].map((value) => {
      const group = groupOfValue(value)
      return group ? `${group} ${groups[group].publicOctets} ${groups[group].sharedOctets}` : undefined
    })
    expect(seen).toEqual([
      'modp768 96 96',
      'modp1024 128 128',
      'modp1536 192 192',
      'modp2048 256 256',
      'modp3072 384 384',
      'modp4096 512 512',
      'ecp256 64 32',
      'ecp384 96 48',
      'ecp521 132 66',
      undefined,
      undefined,
      undefined,
    ])
  })

  test('tags in ESP are cut as RFC 2403, 2404 and 4868 say', () => {
    expect(hashNames.map((name) => `${name} ${hashes[name].keyOctets} ${hashes[name].icvOctets}`)).toEqual([
      'md5 16 12',
      'sha1 20 12',
      'sha256 32 16',
      'sha256_96 32 12',
      'sha384 48 24',
      'sha512 64 32',
    ])
  })
})

describe('proposal strings', () => {
  test('IKE: a cipher, a hash, a group', () => {
    expect(parseIkeProposal('aes256-sha1-modp2048')).toEqual({
      is: 'proposal',
      proposal: { cipher: 'aes256', hash: 'sha1', group: 'modp2048' },
    })
  })

  test('ESP: with a hash, with an AEAD cipher alone, with a PFS group', () => {
    expect(['aes128-sha1', 'AES128GCM16', '3des-md5-modp1024', 'null-sha1'].map(parseEspProposal)).toEqual([
      { is: 'proposal', proposal: { cipher: 'aes128', hash: 'sha1', group: undefined } },
      { is: 'proposal', proposal: { cipher: 'aes128gcm16', hash: undefined, group: undefined } },
      { is: 'proposal', proposal: { cipher: '3des', hash: 'md5', group: 'modp1024' } },
      { is: 'proposal', proposal: { cipher: 'null', hash: 'sha1', group: undefined } },
    ])
  })

  test.each([
    ['aes-sha1-modp2048', 'it says aes where aes128 or aes256 would be right'],
    ['aes256-sha2_256-modp2048', 'it says sha2_256 where sha256 would be right'],
    ['aes256-sha1-dh14', 'it says dh14 where modp2048 would be right'],
    ['aes-256-sha1-modp2048', 'it says aes where aes128 or aes256 would be right'],
    ['aes256-sha1', 'it names no group'],
    ['aes256-modp2048', 'it names no hash'],
    ['sha1-aes256-modp2048', 'aes256 stands in the wrong place'],
    ['aes256-sha1-sha1-modp2048', 'sha1 stands in the wrong place'],
    ['aes128gcm16-sha1-modp2048', 'aes128gcm16 is for ESP only'],
    ['aes128-sha256_96-modp2048', 'sha256_96 is for ESP only'],
    ['aes256--modp2048', 'a part is empty'],
  ])('IKE: %s is refused because %s', (text, why) => {
    expect(parseIkeProposal(text)).toEqual({
      is: 'fault',
      fault: `“${text}” is no proposal: ${why}; write CIPHER-HASH-GROUP, for example aes256-sha256-modp2048`,
    })
  })

  test('ESP: an AEAD cipher takes no hash, another one needs it, unknown words list the known ones', () => {
    expect(parseEspProposal('aes128gcm16-sha1')).toMatchObject({ fault: expect.stringContaining('takes no hash') })
    expect(parseEspProposal('aes128')).toMatchObject({ fault: expect.stringContaining('it names no hash') })
    expect(parseEspProposal('blowfish-sha1')).toMatchObject({
      fault: expect.stringContaining('blowfish is not known; ciphers are des, 3des, aes128'),
    })
  })

  test('what is shown can be read', () => {
    const ikeCiphers = cipherNames.filter((name) => ciphers[name].ikeValue !== undefined)
    const ikeHashes = hashNames.filter((name) => hashes[name].ikeValue !== undefined)
    const ike = fc.record({
      cipher: fc.constantFrom(...ikeCiphers),
      hash: fc.constantFrom(...ikeHashes),
      group: fc.constantFrom(...groupNames),
    })
    fc.assert(
      fc.property(ike, (proposal) => {
        expect(parseIkeProposal(showIkeProposal(proposal))).toEqual({ is: 'proposal', proposal })
      }),
    )
    const group = fc.option(fc.constantFrom(...groupNames), { nil: undefined })
    const esp = fc.constantFrom(...cipherNames).chain((cipher) =>
      fc.record({
        cipher: fc.constant(cipher),
        hash: ciphers[cipher].aead ? fc.constant(undefined) : fc.constantFrom(...hashNames),
        group,
      }),
    )
    fc.assert(
      fc.property(esp, (proposal) => {
        expect(parseEspProposal(showEspProposal(proposal))).toEqual({ is: 'proposal', proposal })
      }),
    )
  })
})

describe('security levels', () => {
  test.each(['modern', 'compatible', 'legacy'] as const)('%s allows nothing that a stricter table forbids', (level) => {
    const { ike, esp } = proposalsFor(level)
    const rank = ['modern', 'compatible', 'legacy']
    const froms = [...ike, ...esp].map(allowedFrom)
    expect(froms.filter((from) => rank.indexOf(from) > rank.indexOf(level) || from === 'rule')).toEqual([])
    expect(new Set(ike.map(showIkeProposal)).size).toBe(ike.length)
  })

  test('what is weak: all that modern does not allow', () => {
    const weak = (text: string) => {
      const parsed = text.split('-').length === 3 ? parseIkeProposal(text) : parseEspProposal(text)
      return parsed.is === 'proposal' && isWeak(parsed.proposal)
    }
    const texts = [
      'aes256-sha1-modp2048',
      'aes128-sha1',
      'aes256gcm16',
      'aes256-sha1-modp1024',
      '3des-sha1',
      'null-sha1',
    ]
    expect(texts.map(weak)).toEqual([false, false, false, true, true, true])
  })

  test('order: strong groups before weak ones whatever the cipher; ESP with GCM first, then SHA1 before SHA2', () => {
    const { ike, esp } = proposalsFor('legacy')
    const shown = ike.map(showIkeProposal)
    expect(shown.slice(0, 3)).toEqual(['aes256-sha256-ecp256', 'aes256-sha384-ecp256', 'aes256-sha512-ecp256'])
    expect(shown.indexOf('aes128-sha1-modp2048')).toBeLessThan(shown.indexOf('aes256-sha256-modp1024'))
    expect(shown.at(-1)).toBe('des-md5-modp768')
    expect(esp.map(showEspProposal)).toEqual([
      'aes128gcm16',
      'aes256gcm16',
      'aes192gcm16',
      ...['aes128', 'aes256', 'aes192', '3des', 'des'].flatMap((cipher) =>
        ['sha1', 'sha256', 'sha384', 'sha512', 'sha256_96', 'md5'].map((hash) => `${cipher}-${hash}`),
      ),
    ])
  })

  test('what is switched off names the setting that allows it', () => {
    expect(disabledAt('modern').map(({ proposalPart, setting }) => `${proposalPart}: ${setting}`)).toEqual([
      '3des: security: compatible',
      'des: security: legacy',
      'md5: security: legacy',
      'modp1536: security: compatible',
      'modp1024: security: compatible',
      'modp768: security: legacy',
      'aggressive mode: security: legacy',
    ])
    expect(disabledAt('legacy')).toEqual([])
  })

  test.each(['modern', 'compatible', 'legacy'] as const)('%s: what is offered is accepted', (level) => {
    const offers = offersFor(level)
    const accepted = proposalsFor(level)
    expect(accepted.ike.map(showIkeProposal)).toEqual(expect.arrayContaining(offers.ike.map(showIkeProposal)))
    expect(accepted.esp.map(showEspProposal)).toEqual(expect.arrayContaining(offers.esp.map(showEspProposal)))
  })
})
