// Main mode with certificates between two whole IKE machines, each with a judge of its own: who gets in, by which certificate, and the sentence for who doesn't.
import { describe, expect, test } from 'vitest'
import { certificateRulesOf, settingsOf } from '../../src/gateway/certificates.ts'
import type { CertificateWork, WorkResult } from '../../src/ike/contract.ts'
import { emitChain, parseChain } from '../../src/ike/wire/chain.ts'
import { emitMessage, parseHeader } from '../../src/ike/wire/header.ts'
import { exchangeType } from '../../src/ike/wire/numbers.ts'
import { certReqPayload, type Payload } from '../../src/ike/wire/payloads.ts'
import { Judge } from '../../src/pki/judge.ts'
import type { Purpose } from '../../src/pki/path.ts'
import { Revocation } from '../../src/pki/revocation.ts'
import { Secret } from '../../src/wire/secret.ts'
import { authority, certify, type Issued, noon } from '../fakes/authority.ts'
import { IkeHost, ikePolicy, type Policy } from './ike-host.ts'
import { fairNetwork, Network, SeededRandom, VirtualTime } from './network.ts'

const server = '192.0.2.1'
const nowhere = () => {
  throw new Error('nothing is asked here')
}

function judgeOf(settings: ReturnType<typeof settingsOf>): (work: CertificateWork) => WorkResult {
  const judge = new Judge(new Revocation({ http: nowhere, file: nowhere, now: () => noon }), () => noon)
  judge.configure(settings)
  return (work) => {
    if (work.do === 'sign') return judge.sign(work)
    const believed = judge.believe(work)
    return believed.is === 'failed' ? believed : { is: 'verified', subject: 'the peer' }
  }
}

type Side = {
  readonly own: readonly Issued[]
  readonly chain?: readonly Issued[]
  readonly trusts: readonly Issued[]
  readonly identity?: string
}

function entry({ own, chain = [], trusts, identity }: Side) {
  return {
    authorities: trusts.map((one) => one.pem),
    intermediates: [],
    own: own.map((one) => ({
      certificate: [...chain.map(({ pem }) => pem), one.pem].join(''),
      key: new Secret(one.keyPem),
    })),
    revocation: 'off' as const,
    ocsp: false,
    crls: [],
    identity,
  }
}

function world(gatewaySide: Side, clientSide: Side, more: { gateway?: Policy; client?: Policy; nat?: boolean } = {}) {
  const time = new VirtualTime()
  const random = new SeededRandom(1)
  const network = new Network(time, random, fairNetwork)
  const host = (address: string, side: Side, purpose: Purpose, policy: Policy = {}, nat = false) => {
    const one = entry(side)
    const made = new IkeHost(
      network,
      network.host(address, nat ? network.nat('203.0.113.9') : undefined),
      random,
      ikePolicy({ preSharedKeys: [], certificates: certificateRulesOf(one), ...policy }),
    )
    made.certificates = judgeOf(settingsOf(one, { purpose, weak: false }))
    return made
  }
  const gateway = host(server, gatewaySide, 'client', more.gateway)
  const client = host(more.nat ? '192.168.1.10' : '198.51.100.7', clientSide, 'gateway', more.client, more.nat)
  return { time, gateway, client }
}

const root = authority()
const other = authority('CN=Somebody else')
const gw = certify('CN=gw.example.org', { altNames: ['gw.example.org', server], kind: 'rsa' }, root)
const alice = certify('CN=alice', { kind: 'rsa' }, root)

function dial({ time, client }: ReturnType<typeof world>): void {
  client.connect(server)
  time.run(4_000)
}

const refusals = (host: IkeHost) => host.eventsOf('ike.negotiation.refused').map(({ cause, why }) => `${cause}: ${why}`)

describe('who gets in', () => {
  test.each([
    ['rsa', 3, 20],
    ['P-256', 9, 32],
    ['P-384', 10, 48],
    ['P-521', 11, 64],
  ] as const)(
    '%s: both are proved over a hash of the method’s own, and the ID is the subject',
    (kind, method, octets) => {
      const mine = certify('CN=gw', { kind, altNames: [server] }, root)
      const theirs = certify('CN=bob, O=Example', { kind }, root)
      const w = world({ own: [mine], trusts: [root] }, { own: [theirs], trusts: [root], identity: server })
      const work = w.gateway.certificates!
      const lengths: number[] = []
      w.gateway.certificates = (one) => {
        lengths.push(one.hash.length)
        return work(one)
      }
      dial(w)
      // SHA-1 was agreed on; RFC 2409 §5.1 ties HASH_I and HASH_R to the signature's own hash where it has one.
      expect(lengths).toEqual([octets, octets])
      expect([refusals(w.gateway), refusals(w.client)]).toEqual([[], []])
      expect(w.gateway.core.status()).toMatchObject([{ state: 'established' }])
      expect(w.gateway.up).toHaveLength(1)
      const [sa] = w.gateway.core.state.sas.values()
      expect(sa?.phase1).toMatchObject({ agreed: { method } })
    },
  )

  test('behind a NAT: MM5 comes from port 4500, and the chain of three goes with it', () => {
    const middle = authority('CN=Middle', { authority: { pathLength: 1 } }, root)
    const low = authority('CN=Low', { authority: { pathLength: 0 } }, middle)
    const carol = certify('CN=carol', { kind: 'rsa' }, low)
    const w = world(
      { own: [gw], trusts: [root] },
      { own: [carol], chain: [middle, low], trusts: [root] },
      { nat: true },
    )
    dial(w)
    expect(refusals(w.gateway)).toEqual([])
    expect(w.gateway.up).toHaveLength(1)
  })

  test('our certificate is the one that the peer asks for', () => {
    const ours = certify('CN=gw for the others', { kind: 'rsa', altNames: [server] }, other)
    const dave = certify('CN=dave', { kind: 'rsa' }, root)
    const w = world({ own: [gw, ours], trusts: [root] }, { own: [dave], trusts: [other], identity: server })
    dial(w)
    expect([refusals(w.gateway), refusals(w.client)]).toEqual([[], []])
    expect(w.gateway.up).toHaveLength(1)
    // RFC 2409 §5: a request does not make main mode longer.
    const mainMode = ({ sent }: IkeHost) => sent.filter(({ octets }) => octets[18] === exchangeType.main).length
    expect([mainMode(w.client), mainMode(w.gateway)]).toEqual([3, 3])
  })

  describe('requests in other messages and of other kinds', () => {
    const ours = certify('CN=gw for the others', { kind: 'rsa', altNames: [server] }, other)
    const dave = certify('CN=dave', { kind: 'rsa' }, root)
    const sides = [
      { own: [gw, ours], trusts: [root] },
      { own: [dave], trusts: [other], identity: server },
    ] as const

    /** The client's requests are taken out of MM3; MM1 has this one. */
    function askingFirst(request: Payload) {
      const w = world(...sides)
      const taken: Payload[] = []
      w.gateway.network.tap = (datagram) => {
        const { header, body } = parseHeader(datagram.octets)
        const ours = datagram.to.address === server && header.exchange === exchangeType.main && !header.encrypted
        if (!ours) return [datagram]
        const { payloads } = parseChain(header.next, body, 'clear')
        const begins = header.responderCookie.every((octet) => octet === 0)
        taken.push(...payloads.filter(({ is }) => is === 'CERTREQ'))
        const chain = emitChain(begins ? [...payloads, request] : payloads.filter(({ is }) => is !== 'CERTREQ'))
        return [{ ...datagram, octets: emitMessage({ ...header, next: chain.first }, chain.octets) }]
      }
      dial(w)
      expect(taken).toHaveLength(1)
      return w
    }

    test('RFC 2408 §3.10: a request in the first message counts as one in the third does', () => {
      const w = askingFirst(certReqPayload(4, other.certificate.subject.der))
      expect(refusals(w.client)).toEqual([])
      expect(w.gateway.up).toHaveLength(1)
    })

    test('RFC 2408 §5.10: a request in an encoding that we have not is discarded', () => {
      const w = askingFirst(certReqPayload(2, other.certificate.subject.der))
      expect(refusals(w.client)[0]).toMatch(/^certificate: .*no chain.*CN=Somebody else/)
    })
  })

  test('RFC 2408 §5.9: a CERT in an encoding that is not read is discarded', () => {
    const w = world({ own: [gw], trusts: [root] }, { own: [alice], trusts: [root] })
    const work = w.gateway.certificates!
    const noise = [2, 5, 7, 99].map((encoding) => ({ encoding, data: new Uint8Array(50).fill(encoding) }))
    w.gateway.certificates = (one) =>
      work(one.do === 'verify' ? { ...one, certificates: [...noise, ...one.certificates] } : one)
    dial(w)
    expect(refusals(w.gateway)).toEqual([])
    expect(w.gateway.up).toHaveLength(1)
  })

  test('methods in order: a peer without certificates comes in by its key', () => {
    const preSharedKeys = [{ peer: 'any', key: new Secret('correct horse') }]
    const w = world(
      { own: [gw], trusts: [root] },
      { own: [alice], trusts: [root] },
      { gateway: { preSharedKeys }, client: { preSharedKeys, certificates: [] } },
    )
    dial(w)
    expect(w.gateway.up).toHaveLength(1)
  })

  test('renewed over the standing ISAKMP SA by the same method', () => {
    const lifetimes = { ikeSeconds: 60, espSeconds: 3600, espKilobytes: undefined }
    const w = world(
      { own: [gw], trusts: [root] },
      { own: [alice], trusts: [root] },
      { gateway: { lifetimes }, client: { lifetimes } },
    )
    dial(w)
    w.time.run(90_000)
    expect(w.gateway.up).toHaveLength(1)
    expect(w.gateway.eventsOf('ike.sa.established').length).toBeGreaterThan(1)
    expect(w.gateway.core.state.peers.size).toBe(1)
  })
})

describe('who does not', () => {
  const cases: readonly [string, Side, RegExp, string][] = [
    [
      'of an authority that is not trusted',
      { own: [certify('CN=eve', { kind: 'rsa' }, other)], trusts: [root] },
      /^certificate: .*CN=Somebody else.*no chain.*CN=Root/,
      'INVALID-CERT-AUTHORITY',
    ],
    [
      'expired',
      { own: [certify('CN=old', { kind: 'rsa', notAfter: noon - 86_400_000 }, root)], trusts: [root] },
      /^certificate: .*CN=old expired on 2026-05-31: renew it/,
      'INVALID-CERTIFICATE',
    ],
    [
      'not for clients',
      { own: [certify('CN=web', { kind: 'rsa', extendedKeyUsage: ['1.3.6.1.5.5.7.3.1'] }, root)], trusts: [root] },
      /^certificate: .*not for IPsec.*client authentication/,
      'INVALID-CERTIFICATE',
    ],
  ]
  test.each(cases)('%s: we say why, and the peer is told the kind at once, sealed', (_, side, sentence, told) => {
    const w = world({ own: [gw], trusts: [root] }, side)
    dial(w)
    expect(w.gateway.up).toEqual([])
    expect(refusals(w.gateway)[0]).toMatch(sentence)
    expect(w.gateway.eventsOf('ike.negotiation.refused')[0]?.userSees).toBe(789)
    expect(refusals(w.client)).toEqual([
      `certificate: ${server}:500 refused our certificate (it said ${told}): its log says why`,
    ])
    expect(w.client.eventsOf('ike.notify.received')).toEqual([])
    expect(w.gateway.core.status()).toEqual([])
  })

  test('the gateway that is meant is another one: the client refuses, and says so', () => {
    const w = world({ own: [gw], trusts: [root] }, { own: [alice], trusts: [root], identity: 'vpn.example.com' })
    dial(w)
    expect(w.client.up).toEqual([])
    expect(w.gateway.eventsOf('ike.notify.received')).toMatchObject([
      { notify: 'INVALID-ID-INFORMATION', authenticated: true },
    ])
    // Its Delete came too.
    expect(w.gateway.core.status().map(({ state }) => state)).toEqual(['deleted'])
    expect(w.client.news).toMatchObject([
      { do: 'failed', reason: expect.stringMatching(/CN=gw.example.org does not speak for vpn.example.com/) },
    ])
  })

  test('a key that is not the certificate’s', () => {
    const w = world({ own: [gw], trusts: [root] }, { own: [alice], trusts: [root] })
    w.client.certificates = (work) =>
      work.do === 'sign'
        ? judgeOf(settingsOf(entry({ own: [gw], trusts: [root] }), { purpose: 'client', weak: false }))({
            ...work,
            credential: 'remote access 1',
          })
        : { is: 'verified', subject: '' }
    dial(w)
    expect(refusals(w.gateway)[0]).toMatch(
      /^certificate: the peer’s signature is not by the key of the certificate of CN=alice/,
    )
    expect(w.gateway.up).toEqual([])
    expect(refusals(w.client)[0]).toContain('it said INVALID-SIGNATURE')
  })

  test('only certificates where there is only a key, and the other way round', () => {
    const key = [{ peer: 'any', key: new Secret('correct horse') }]
    const w = world(
      { own: [gw], trusts: [root] },
      { own: [alice], trusts: [root] },
      { client: { preSharedKeys: key, certificates: [] } },
    )
    dial(w)
    expect(refusals(w.gateway)[0]).toMatch(/^authentication method: .*pre-shared key.*RSA signatures/)
  })
})
