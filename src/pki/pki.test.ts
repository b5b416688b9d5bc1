// The rules one by one: each certificate has one thing wrong with it, or right.
import { describe, expect, test } from 'vitest'
import { authority, certify, crlOf, type Issued, newKey, noon, type Wish } from '../../test/fakes/authority.ts'
import { parseCertificate } from './certificate.ts'
import { credentialOf } from './credential.ts'
import { askCrl, parseCrl } from './crl.ts'
import { DerReader, tags } from './der-reader.ts'
import { identityFault, identityType, speaksFor } from './identity.ts'
import { extensionOf } from './issue.ts'
import { nameKey, nameOf, showName } from './names.ts'
import { oid } from './oids.ts'
import { judge } from './path.ts'
import { bagOf, certificatesIn } from './pkcs7.ts'
import { Revocation, type Sources } from './revocation.ts'
import type { RuleSettings } from './settings.ts'
import { methodOf, signHash, verifyHash } from './signature.ts'

const root = authority()
const leafOf = (wish: Wish = {}, by = root) => certify('CN=alice', wish, by)

function verdict(
  chain: readonly Issued[],
  authorities: readonly Issued[] = [root],
  more: { weak?: boolean; at?: number } = {},
): string {
  const trust = { authorities: authorities.map((one) => one.certificate), intermediates: [], weak: more.weak ?? false }
  const judged = judge(
    chain.map((one) => one.certificate),
    trust,
    { at: more.at ?? noon, purpose: 'client' },
  )
  return judged.is === 'trusted' ? judged.path.map(({ subject }) => showName(subject)).join(' < ') : judged.why
}

describe('a path', () => {
  const middle = authority('CN=Middle', {}, root)
  const low = authority('CN=Low', {}, middle)

  test('is found in whatever order the certificates come', () => {
    const leaf = leafOf({}, low)
    const path = 'CN=alice < CN=Low < CN=Middle < O=Example, CN=Root'
    for (const order of [
      [leaf, middle, low],
      [leaf, low, middle],
      [leaf, root, low, middle],
    ])
      expect(verdict(order).replace('CN=Root, O=Example', 'O=Example, CN=Root')).toBe(path)
  })

  test.each<[string, () => string, RegExp]>([
    [
      'no chain',
      () => verdict([leafOf({}, low)]),
      /no chain leads from there to a trusted authority \(CN=Root, O=Example\)/,
    ],
    ['nothing at all', () => verdict([]), /sent no certificate/],
    ['expired', () => verdict([leafOf({ notAfter: noon - 1000 })]), /CN=alice expired on 2026-06-01: renew it/],
    ['not yet', () => verdict([leafOf({ notBefore: noon + 1000 })]), /valid from .* only, and it is .*: set the clock/],
    [
      'an authority that expired',
      () => verdict([leafOf({}, low), low, authority('CN=Middle', { key: middle.key, notAfter: noon - 1 }, root)]),
      /authority CN=Middle expired/,
    ],
    [
      'a forged signature',
      () => verdict([certify('CN=alice', {}, { ...root, key: newKey() })].map((one) => one)),
      /no chain|is not signed by/,
    ],
    ['MD5', () => verdict([leafOf({ hash: 'md5' }, rsaRoot)], [rsaRoot]), /md5WithRsa, which anybody can forge/],
    ['SHA-1', () => verdict([leafOf({ hash: 'sha1' })]), /signed with SHA-1: .*security: compatible/],
    [
      'issued by who is no authority',
      () => verdict([leafOf({}, certify('CN=bob', {}, root)), certify('CN=bob', {}, root)]),
      /no chain|CN=bob is not an authority/,
    ],
    [
      'too many authorities',
      () =>
        verdict([
          leafOf({}, low),
          low,
          authority('CN=Middle', { key: middle.key, authority: { pathLength: 0 } }, root),
        ]),
      /allows 0 authorities below it and there are 1/,
    ],
    [
      'an unknown critical extension',
      () => verdict([leafOf({ more: [extensionOf('1.2.3.4', true, Uint8Array.of(5, 0))] })]),
      /critical extension that is not known here \(1.2.3.4\)/,
    ],
    [
      'for web servers',
      () => verdict([leafOf({ extendedKeyUsage: [oid.serverAuth] })]),
      /not for IPsec \(its extended key usages are serverAuth\)/,
    ],
    [
      'an authority itself',
      () => verdict([authority('CN=alice', {}, root)]),
      /is an authority's: a certificate of the machine's own/,
    ],
  ])('%s', (_, get, sentence) => expect(get()).toMatch(sentence))

  test('SHA-1 where old authorities are allowed', () => {
    expect(verdict([leafOf({ hash: 'sha1' })], [root], { weak: true })).toMatch(/^CN=alice/)
  })

  test.each([oid.clientAuth, oid.ipsecIkeIntermediate, oid.ipsecIke, oid.ipsecUser, oid.anyUsage])(
    'the usage %s is for clients',
    (usage) => {
      expect(verdict([leafOf({ extendedKeyUsage: [usage] })])).toMatch(/^CN=alice </)
    },
  )
})

const rsaRoot = authority('CN=RSA', { kind: 'rsa' })

describe('name constraints', () => {
  const bound = authority('CN=Bound', { permitted: ['example.org', '10.0.0.0/255.0.0.0'] }, root)
  test.each([
    [['gw.example.org'], true],
    [['example.org'], true],
    [['gw.example.org.evil.net'], false],
    [['badexample.org'], false],
    [['10.1.2.3'], true],
    [['192.0.2.1'], false],
    [['gw.example.org', '192.0.2.1'], false],
  ])('%j', (altNames, allowed) => {
    const said = verdict([leafOf({ altNames }, bound), bound])
    if (allowed) expect(said).toMatch(/^CN=alice </)
    else expect(said).toMatch(/breaks the name constraints of its authority: its name .* is none of those permitted/)
  })
})

describe('whose ID', () => {
  const { certificate } = leafOf({
    altNames: ['gw.example.org', '192.0.2.1', 'alice@example.org', '*.branch.example.org'],
  })
  const text = (value: string) => new TextEncoder().encode(value)
  test.each<[number, Uint8Array, boolean]>([
    [identityType.distinguishedName, certificate.subject.der, true],
    [identityType.distinguishedName, nameOf('CN=ALICE').der, true],
    [identityType.distinguishedName, nameOf('CN=bob').der, false],
    [identityType.fqdn, text('GW.example.org'), true],
    [identityType.fqdn, text('other.example.org'), false],
    [identityType.userFqdn, text('alice@example.org'), true],
    [identityType.ipv4, Uint8Array.of(192, 0, 2, 1), true],
    [identityType.ipv4, Uint8Array.of(192, 168, 1, 2), false],
    [11, text('group'), false],
  ])('type %i', (type, data, fits) => expect(identityFault(certificate, type, data) === undefined).toBe(fits))

  test.each([
    ['gw.example.org', true],
    ['x.branch.example.org', true],
    ['a.x.branch.example.org', false],
    ['192.0.2.1', true],
    ['192.0.2.2', false],
    ['CN=alice', true],
    ['example.org', false],
  ])('speaks for %s: %s', (meant, fits) => expect(speaksFor(certificate, meant)).toBe(fits))
})

describe('signatures over the hash as it is', () => {
  test.each([
    ['rsa', 3, 256],
    ['P-256', 9, 64],
    ['P-384', 10, 96],
    ['P-521', 11, 132],
  ] as const)('%s', (kind, method, octets) => {
    const { key, certificate } = certify('CN=x', { kind })
    const hash = new Uint8Array(20).fill(7)
    const signature = signHash(key, hash)
    expect([methodOf(key), signature.length]).toEqual([method, octets])
    expect(verifyHash(certificate.publicKey, hash, signature)).toBe(true)
    expect(verifyHash(certificate.publicKey, new Uint8Array(20).fill(8), signature)).toBe(false)
    expect(
      verifyHash(
        certificate.publicKey,
        hash,
        signature.map((octet, i) => (i === 9 ? octet ^ 1 : octet)),
      ),
    ).toBe(false)
    expect(verifyHash(root.certificate.publicKey, hash, signature)).toBe(false)
  })
})

describe('revocation', () => {
  const leaf = leafOf({ crlUrls: ['http://crl.example.org/a.crl'] })
  const path = [leaf.certificate, root.certificate]
  const rule = (more: Partial<RuleSettings> = {}): RuleSettings => ({
    name: 'x',
    authorities: [],
    intermediates: [],
    revocation: 'strict',
    ocsp: true,
    crls: [],
    purpose: 'client',
    identities: [],
    weak: false,
    ...more,
  })
  const from = (answer: Uint8Array | Error) => {
    const asked: string[] = []
    const sources: Sources = {
      now: () => noon,
      file: () => {
        throw new Error('no such file')
      },
      http: async (url) => {
        asked.push(url)
        if (answer instanceof Error) throw answer
        return answer
      },
    }
    return { asked, revocation: new Revocation(sources) }
  }

  test.each<[string, Uint8Array | Error, RegExp | undefined, RegExp | undefined]>([
    ['good', crlOf(root), undefined, undefined],
    ['revoked', crlOf(root, [leaf]), /was revoked on 2026-06-01/, /was revoked/],
    [
      'expired',
      crlOf(root, [], { from: noon - 9e8, to: noon - 8e8 }),
      undefined,
      /can't be found out \(the revocation list .* expired/,
    ],
    [
      'expired, and revoked in it',
      crlOf(root, [leaf], { from: noon - 9e8, to: noon - 8e8 }),
      /was revoked/,
      /was revoked/,
    ],
    ['unreachable', new Error('nobody answers'), undefined, /can't be found out \(nobody answers\).*strict/],
    ['nonsense', Uint8Array.of(1, 2, 3), undefined, /can't be found out/],
    ['of somebody else', crlOf(rsaRoot, [leaf]), undefined, /is of CN=RSA and not of/],
    ['forged', crlOf({ ...root, key: newKey() }, [leaf]), undefined, /is not signed by it/],
  ])('%s: standard and strict', async (_, answer, standard, strict) => {
    expect(await from(answer).revocation.fault(path, rule({ revocation: 'off' }))).toBeUndefined()
    for (const [revocation, wanted] of [
      ['standard', standard],
      ['strict', strict],
    ] as const) {
      const said = await from(answer).revocation.fault(path, rule({ revocation }))
      if (wanted) expect(said?.why).toMatch(wanted)
      else expect(said).toBeUndefined()
    }
  })

  test('a list is fetched once for many, kept, and a failure is not repeated for a minute', async () => {
    const good = from(crlOf(root))
    await Promise.all([1, 2, 3].map(() => good.revocation.fault(path, rule())))
    await good.revocation.fault(path, rule())
    expect(good.asked).toEqual(['http://crl.example.org/a.crl'])
    const bad = from(new Error('down'))
    for (let i = 0; i < 3; i++) await bad.revocation.fault(path, rule())
    expect(bad.asked).toHaveLength(1)
  })

  test('what was kept while the clock was ahead is not kept for years', async () => {
    const year = 365 * 86_400_000
    let now = noon + 9 * year
    let answer: Uint8Array | Error = crlOf(root, [], { from: now - 60_000, to: now + 86_400_000 })
    const http = async () => {
      if (answer instanceof Error) throw answer
      return answer
    }
    const revocation = new Revocation({ now: () => now, file: () => new Uint8Array(), http })
    expect(await revocation.fault(path, rule())).toBeUndefined()
    now = noon
    answer = new Error('down')
    expect((await revocation.fault(path, rule()))?.why).toContain('from the future')
    now = noon - year
    answer = crlOf(root, [leaf], { from: now - 60_000, to: now + 86_400_000 })
    expect((await revocation.fault(path, rule()))?.why).toContain('was revoked')
  })

  test('a list says nothing of certificates of others', () => {
    const standing = askCrl(parseCrl(crlOf(root)), certify('CN=z', {}, rsaRoot).certificate, rsaRoot.certificate, noon)
    expect(standing.is).toBe('unknown')
  })
})

describe('forms', () => {
  test('PKCS #7 there and back', () => {
    const ders = [leafOf().certificate.der, root.certificate.der]
    expect(certificatesIn(bagOf(ders))).toEqual(ders)
  })

  test('a credential: any order, the key decides, the root is left out', () => {
    const middle = authority('CN=Middle', {}, root)
    const leaf = leafOf({}, middle)
    const own = credentialOf('x', [root.certificate, middle.certificate, leaf.certificate], leaf.key)
    expect(own.chain).toEqual([leaf.certificate.der, middle.certificate.der])
    expect(() => credentialOf('x', [leaf.certificate], newKey())).toThrow(/belongs to none of the certificates/)
  })

  test('names without case and runs of white space', () => {
    expect(nameKey(nameOf('CN=Gate  House, O=Example'))).toBe(nameKey(nameOf('cn=gate house, o=EXAMPLE')))
  })

  test.each([
    ['an indefinite length', [0x30, 0x80, 0, 0]],
    ['a length that could be shorter', [0x30, 0x81, 1, 0]],
    ['more than there is', [0x30, 5, 0]],
    ['a tag of several octets', [0x3f, 0x81, 1, 0]],
  ])('%s is refused', (_, octets) => {
    expect(() => new DerReader(Uint8Array.from(octets), 'x').take(tags.sequence, 'y')).toThrow(/x, y at octet/)
  })

  test('a certificate cut anywhere is an error and nothing else', () => {
    const { der } = root.certificate
    for (let length = 0; length < der.length; length += 7)
      expect(() => parseCertificate(der.subarray(0, length))).toThrow(/certificate/)
  })
})
