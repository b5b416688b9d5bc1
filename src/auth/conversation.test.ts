// Conversations as traces: the authenticator and the peer of each kind, alone and against each other.
import { describe, expect, test } from 'vitest'
import { hash } from '../crypto/hash.ts'
import { hex, unhex } from '../wire/codec.ts'
import type { Instant, Machine, Random } from '../wire/machine.ts'
import { Secret } from '../wire/secret.ts'
import { ChapAuthenticator } from './chap-authenticator.ts'
import type { ChapKind } from './chap-kinds.ts'
import { ChapPeer } from './chap-peer.ts'
import type { AuthEffect, AuthInput, AuthVerdict } from './contract.ts'
import {
  authenticatorResponse,
  authenticatorResponseText,
  challengeResponse,
  ntPasswordHash,
  ntResponseV2,
} from './mschap-crypto.ts'
import { PapAuthenticator } from './pap-authenticator.ts'
import { PapPeer } from './pap-peer.ts'
import { emitChap, parseChap } from './wire/chap.ts'
import { emitMschapResponse, emitMschapv2Response } from './wire/mschap.ts'
import { emitPap } from './wire/pap.ts'

const text = (value: string) => new TextEncoder().encode(value)
const password = new Secret('clientPass')
const accepted = (authenticatorResponse?: Uint8Array): AuthVerdict => ({
  is: 'accepted',
  user: 'User',
  authenticatorResponse,
})
const wrong: AuthVerdict = { is: 'refused', error: 691, retry: true, why: 'wrong password' }

/** Random octets that count, so that traces are the same each time: 16 octets of 00, then of 01 … */
function counting(): Random {
  let next = 0
  return { octets: (length) => new Uint8Array(length).fill(next++) }
}

class Bench {
  readonly random = counting()
  now: Instant = 0
  readonly machine: Machine<AuthInput, AuthEffect>
  constructor(machine: Machine<AuthInput, AuthEffect>) {
    this.machine = machine
  }
  give(input: AuthInput): readonly AuthEffect[] {
    return this.machine.handle(input, this)
  }
  recv(octets: Uint8Array): readonly AuthEffect[] {
    return this.give({ on: 'packet', octets })
  }
  wait(ms: number): readonly AuthEffect[] {
    this.now += ms
    return this.give({ on: 'tick' })
  }
}

const authenticator = (kind: ChapKind, tries = 3) => {
  const bench = new Bench(new ChapAuthenticator({ kind, name: 'gw', resendMs: 3000, tries }))
  bench.give({ on: 'start' })
  return bench
}
const peer = (kind: ChapKind) => new Bench(new ChapPeer({ kind, user: 'User', password, resendMs: 3000 }))
const challenge = (id: number, fill: number, length = 16) =>
  emitChap({ is: 'Challenge', id, value: new Uint8Array(length).fill(fill), name: text('gw') })
const sends = (octets: Uint8Array): AuthEffect => ({ do: 'send', octets })
const success = (id: number, message: string) => emitChap({ is: 'Success', id, message: text(message) })
const failure = (id: number, message: string) => emitChap({ is: 'Failure', id, message: text(message) })

/** A version 2 response as a client computes it, with what the server must prove. */
function v2(challengeFill: number, peerFill: number, name = 'User') {
  const authenticatorChallenge = new Uint8Array(16).fill(challengeFill)
  const peerChallenge = new Uint8Array(16).fill(peerFill)
  const exchange = { authenticatorChallenge, peerChallenge, user: text('User') }
  const passwordHash = ntPasswordHash('clientPass')
  const ntResponse = ntResponseV2(exchange, passwordHash)
  return {
    attempt: {
      kind: 'mschapv2' as const,
      user: name,
      userOctets: text(name),
      authenticatorChallenge,
      peerChallenge,
      ntResponse,
    },
    packet: (id: number) =>
      emitChap({ is: 'Response', id, value: emitMschapv2Response({ peerChallenge, ntResponse }), name: text(name) }),
    proof: authenticatorResponse(exchange, ntResponse, passwordHash),
  }
}

describe('authenticator, MS-CHAPv2', () => {
  test('a challenge, a response, the verdict, and the success that proves us', () => {
    const gw = new Bench(new ChapAuthenticator({ kind: 'mschapv2', name: 'gw', resendMs: 3000, tries: 3 }))
    expect(gw.give({ on: 'start' })).toEqual([sends(challenge(1, 0))])
    const response = v2(0, 9, 'BIGCO\\User')
    expect(gw.recv(response.packet(1))).toEqual([{ do: 'verify', job: 1, attempt: response.attempt }])
    expect(gw.give({ on: 'verdict', job: 1, verdict: accepted(response.proof) })).toEqual([
      sends(success(1, `${authenticatorResponseText(response.proof)} M=Welcome`)),
      { do: 'accepted', user: 'User' },
    ])
    expect(gw.machine.deadline).toBeUndefined()
  })

  test('RFC 1994 §4.1: each repeated challenge has an identifier and a value of its own; late answers to the earlier ones count', () => {
    const gw = authenticator('mschapv2')
    expect(gw.wait(2999)).toEqual([])
    expect(gw.wait(1)).toEqual([sends(challenge(2, 1))])
    expect(gw.wait(3000)).toEqual([sends(challenge(3, 2))])
    expect(gw.recv(v2(0, 9).packet(1))).toEqual([{ do: 'verify', job: 1, attempt: v2(0, 9).attempt }])
    expect(gw.machine.deadline).toBeUndefined()
  })

  test('only the last four challenges can be answered', () => {
    const gw = authenticator('mschapv2')
    for (let i = 0; i < 4; i++) gw.wait(3000)
    expect(gw.recv(v2(0, 9).packet(1))).toEqual([
      { do: 'ignored', why: 'a CHAP Response to no challenge of ours (identifier 1)' },
    ])
    expect(gw.recv(v2(1, 9).packet(2))).toHaveLength(1)
  })

  test('while it is judged, repeats are passed over', () => {
    const gw = authenticator('mschapv2')
    gw.recv(v2(0, 9).packet(1))
    expect(gw.recv(v2(0, 9).packet(1))).toEqual([])
    expect(gw.wait(10_000)).toEqual([])
  })

  test('RFC 1994 §4.2: the same response gets the same answer again', () => {
    const gw = authenticator('mschapv2')
    gw.recv(v2(0, 9).packet(1))
    const [answer] = gw.give({ on: 'verdict', job: 1, verdict: accepted(v2(0, 9).proof) })
    expect(gw.recv(v2(0, 9).packet(1))).toEqual([answer])
    expect(gw.recv(v2(0, 9).packet(1))).toEqual([answer])
  })

  test('a peer that answered a repeated challenge too gets a proof that fits it', () => {
    const gw = authenticator('mschapv2')
    gw.wait(3000)
    gw.recv(v2(0, 8).packet(1))
    expect(gw.recv(v2(1, 9).packet(2))).toEqual([])
    expect(gw.give({ on: 'verdict', job: 1, verdict: accepted(v2(0, 8).proof) })).toEqual([
      sends(success(1, `${authenticatorResponseText(v2(0, 8).proof)} M=Welcome`)),
      { do: 'accepted', user: 'User' },
      { do: 'verify', job: 2, attempt: v2(1, 9).attempt },
    ])
    expect(gw.give({ on: 'verdict', job: 2, verdict: accepted(v2(1, 9).proof) })).toEqual([
      sends(success(2, `${authenticatorResponseText(v2(1, 9).proof)} M=Welcome`)),
    ])
  })

  test('nothing that comes after a success can undo it', () => {
    const gw = authenticator('mschapv2')
    gw.recv(v2(0, 8).packet(1))
    gw.give({ on: 'verdict', job: 1, verdict: accepted(v2(0, 8).proof) })
    gw.recv(v2(0, 7).packet(1))
    expect(gw.give({ on: 'verdict', job: 2, verdict: wrong })).toEqual([])
    expect(gw.recv(v2(0, 8).packet(1))).toHaveLength(1)
  })

  test('a verifier is not kept busy after the success', () => {
    const gw = authenticator('mschapv2')
    gw.recv(v2(0, 8).packet(1))
    gw.give({ on: 'verdict', job: 1, verdict: accepted(v2(0, 8).proof) })
    let asked = 0
    for (let fill = 10; fill < 40; fill++) {
      for (const effect of gw.recv(v2(0, fill).packet(1))) {
        if (effect.do !== 'verify') continue
        asked++
        gw.give({ on: 'verdict', job: effect.job, verdict: wrong })
      }
    }
    expect(asked).toBe(8)
  })

  test('RFC 2759 §6: a failure allows another try with the challenge inside it', () => {
    const gw = authenticator('mschapv2')
    gw.recv(v2(0, 9).packet(1))
    const refused = gw.give({ on: 'verdict', job: 1, verdict: wrong })
    expect(refused).toEqual([
      sends(failure(1, `E=691 R=1 C=${'01'.repeat(16)} V=3 M=Access denied`)),
      { do: 'refused', user: 'User', why: 'wrong password', userSees: 691, final: false },
    ])
    expect(gw.machine.deadline).toBeUndefined()
    expect(gw.recv(v2(0, 9).packet(1))).toEqual([refused[0]])
    expect(gw.recv(v2(1, 9).packet(2))).toEqual([{ do: 'verify', job: 2, attempt: v2(1, 9).attempt }])
  })

  test('the last try is final', () => {
    const gw = authenticator('mschapv2', 2)
    gw.recv(v2(0, 9).packet(1))
    gw.give({ on: 'verdict', job: 1, verdict: wrong })
    gw.recv(v2(1, 9).packet(2))
    expect(gw.give({ on: 'verdict', job: 2, verdict: wrong })).toEqual([
      sends(failure(2, `E=691 R=0 C=${'02'.repeat(16)} V=3 M=Access denied`)),
      { do: 'refused', user: 'User', why: 'wrong password', userSees: 691, final: true },
    ])
    expect(gw.recv(v2(2, 9).packet(3))).toEqual([
      { do: 'ignored', why: 'a CHAP Response to no challenge of ours (identifier 3)' },
    ])
  })

  test('an expired password is said, and an attempt to change it is refused with 709', () => {
    const gw = authenticator('mschapv2')
    gw.recv(v2(0, 9).packet(1))
    const expired: AuthVerdict = { is: 'refused', error: 648, retry: true, why: 'expired' }
    expect(gw.give({ on: 'verdict', job: 1, verdict: expired })[0]).toEqual(
      sends(failure(1, `E=648 R=1 C=${'01'.repeat(16)} V=3 M=Access denied`)),
    )
    expect(gw.recv(emitChap({ is: 'Change-Password-3', id: 2, data: new Uint8Array(582) }))).toEqual([
      sends(failure(2, `E=709 R=0 C=${'02'.repeat(16)} V=3 M=Access denied`)),
      {
        do: 'refused',
        user: 'User',
        why: 'the client tried to change the password by MS-CHAPv2, which is not offered; the password could not be changed',
        userSees: 709,
        final: true,
      },
    ])
  })

  test('a password change that nothing led to', () => {
    expect(
      authenticator('mschapv2').recv(emitChap({ is: 'Change-Password-3', id: 1, data: new Uint8Array(582) })),
    ).toEqual([{ do: 'ignored', why: 'a CHAP Change-Password that nothing led to' }])
  })

  test('a stale verdict and one twice change nothing', () => {
    const gw = authenticator('mschapv2')
    gw.recv(v2(0, 9).packet(1))
    expect(gw.give({ on: 'verdict', job: 7, verdict: wrong })).toEqual([])
    gw.give({ on: 'verdict', job: 1, verdict: accepted(v2(0, 9).proof) })
    expect(gw.give({ on: 'verdict', job: 1, verdict: wrong })).toEqual([])
  })

  test('an acceptance without the proof is no acceptance', () => {
    const gw = authenticator('mschapv2')
    gw.recv(v2(0, 9).packet(1))
    expect(gw.give({ on: 'verdict', job: 1, verdict: accepted() }).at(-1)).toEqual({
      do: 'refused',
      user: 'User',
      why: 'the verifier accepted but gave no authenticator response',
      userSees: 691,
      final: true,
    })
  })

  test.each([
    ['a response of the wrong size', emitChap({ is: 'Response', id: 1, value: new Uint8Array(16), name: text('u') })],
    ['a challenge', challenge(1, 0)],
    ['a success', success(1, 'S=')],
    ['rubbish', unhex('0201')],
  ])('%s is ignored', (_, octets) => {
    const gw = authenticator('mschapv2')
    expect(gw.recv(octets)).toEqual([{ do: 'ignored', why: expect.any(String) }])
    expect(gw.recv(v2(0, 9).packet(1))).toEqual([{ do: 'verify', job: 1, attempt: v2(0, 9).attempt }])
  })
})

describe('authenticator, other kinds', () => {
  test('CHAP-MD5: the identifier belongs to the attempt, and a failure is final (RFC 1994 §4.2)', () => {
    const gw = authenticator('chap')
    const response = unhex('00112233445566778899aabbccddeeff')
    expect(gw.recv(emitChap({ is: 'Response', id: 1, value: response, name: text('User') }))).toEqual([
      {
        do: 'verify',
        job: 1,
        attempt: { kind: 'chap', user: 'User', identifier: 1, challenge: new Uint8Array(16), response },
      },
    ])
    expect(gw.give({ on: 'verdict', job: 1, verdict: wrong })).toEqual([
      sends(failure(1, 'Access denied')),
      { do: 'refused', user: 'User', why: 'wrong password', userSees: 691, final: true },
    ])
  })

  test('RFC 1994 §4.1: whatever else answers a challenge that was answered gets the same reply, unjudged', () => {
    const response = (fill: number, name: string) =>
      emitChap({ is: 'Response', id: 1, value: new Uint8Array(16).fill(fill), name: text(name) })
    for (const verdict of [accepted(), wrong]) {
      const gw = authenticator('chap')
      gw.recv(response(1, 'User'))
      const [reply] = gw.give({ on: 'verdict', job: 1, verdict })
      expect(gw.recv(response(2, 'User'))).toEqual([reply])
      expect(gw.recv(response(2, 'Other'))).toEqual([reply])
    }
  })

  test('MS-CHAP: an 8-octet challenge, the NT response, a failure without words (RFC 2433 §5)', () => {
    const gw = new Bench(new ChapAuthenticator({ kind: 'mschap', name: 'gw', resendMs: 3000, tries: 3 }))
    expect(gw.give({ on: 'start' })).toEqual([sends(challenge(1, 0, 8))])
    const ntResponse = challengeResponse(new Uint8Array(8), ntPasswordHash('clientPass'))
    const value = emitMschapResponse({ lmResponse: new Uint8Array(24), ntResponse, useNt: true })
    expect(gw.recv(emitChap({ is: 'Response', id: 1, value, name: text('User') }))).toEqual([
      { do: 'verify', job: 1, attempt: { kind: 'mschap', user: 'User', challenge: new Uint8Array(8), ntResponse } },
    ])
    expect(gw.give({ on: 'verdict', job: 1, verdict: wrong })[0]).toEqual(
      sends(failure(1, `E=691 R=1 C=${'01'.repeat(8)} V=2`)),
    )
  })

  test('MS-CHAP: LAN Manager alone is refused without a judgement (RFC 2433 §10)', () => {
    const value = emitMschapResponse({
      lmResponse: new Uint8Array(24).fill(1),
      ntResponse: new Uint8Array(24),
      useNt: false,
    })
    expect(authenticator('mschap').recv(emitChap({ is: 'Response', id: 1, value, name: text('Old') }))).toEqual([
      sends(failure(1, `E=691 R=0 C=${'01'.repeat(8)} V=2`)),
      {
        do: 'refused',
        user: 'Old',
        why: 'the client answered with LAN Manager only, which is never accepted',
        userSees: 691,
        final: true,
      },
    ])
  })

  test('a name that is no UTF-8 is read as Latin-1', () => {
    const gw = authenticator('chap')
    const [effect] = gw.recv(
      emitChap({ is: 'Response', id: 1, value: new Uint8Array(16), name: unhex('4afc7267656e') }),
    )
    expect(effect).toMatchObject({ attempt: { user: 'Jürgen' } })
  })
})

describe('peer', () => {
  test('CHAP-MD5: MD5 over identifier, secret and challenge (RFC 1994 §4.1), repeated until it is answered', () => {
    const client = peer('chap')
    const value = hash('md5', unhex('07'), text('clientPass'), new Uint8Array(16).fill(5))
    const response = sends(emitChap({ is: 'Response', id: 7, value, name: text('User') }))
    expect(client.recv(challenge(7, 5))).toEqual([response])
    expect(client.wait(3000)).toEqual([response])
    expect(client.recv(success(6, 'other'))).toEqual([])
    expect(client.recv(success(7, 'hi'))).toEqual([{ do: 'accepted', user: 'User' }])
    expect(client.recv(success(7, 'hi'))).toEqual([])
    expect(client.machine.deadline).toBeUndefined()
  })

  test('a repeated challenge gets the same response, a new one in the network phase a new one', () => {
    const client = peer('mschapv2')
    const first = client.recv(challenge(1, 5))
    expect(client.recv(challenge(1, 5))).toEqual(first)
    client.recv(success(1, authenticatorResponseText(v2(5, 0).proof)))
    expect(client.recv(challenge(2, 6))).toEqual([sends(v2(6, 1).packet(2))])
    expect(client.recv(success(2, authenticatorResponseText(v2(6, 1).proof)))).toEqual([])
  })

  test('RFC 2759 §5: the authenticator response is verified', () => {
    const client = peer('mschapv2')
    expect(client.recv(challenge(1, 5))).toEqual([sends(v2(5, 0).packet(1))])
    expect(client.recv(success(1, `${authenticatorResponseText(v2(5, 0).proof)} M=ok`))).toEqual([
      { do: 'accepted', user: 'User' },
    ])
  })

  test.each([
    ['wrong', `S=${'00'.repeat(20)}`],
    ['missing', 'M=Welcome'],
  ])('a server whose proof is %s is not believed', (found, message) => {
    const client = peer('mschapv2')
    client.recv(challenge(1, 5))
    expect(client.recv(success(1, message))).toEqual([
      {
        do: 'refused',
        user: 'User',
        why: `the server accepted us, but its own proof is ${found}: it does not know the password (mutual authentication failed)`,
        userSees: 778,
        final: true,
      },
    ])
    expect(client.recv(challenge(2, 6))).toEqual([])
  })

  test.each([
    [
      'mschapv2',
      `E=691 R=1 C=${'AA'.repeat(16)} V=3 M=Access denied`,
      'the server refused with error 691, the user name or the password is wrong: "Access denied"',
      691,
    ],
    ['mschap', 'E=648 R=0 V=2', 'the server refused with error 648, the password has expired', 648],
    ['mschapv2', 'E=99 R=0', 'the server refused with error 99, it gives no reason known here', 99],
    ['chap', '', 'the server refused the user name or password', 691],
    ['chap', 'no\x1b[2J', 'the server refused the user name or password: "no\\x1b[2J"', 691],
  ] as const)('%s failure %s', (kind, message, why, userSees) => {
    const client = peer(kind)
    client.recv(challenge(1, 5, kind === 'mschap' ? 8 : 16))
    expect(client.recv(failure(1, message))).toEqual([{ do: 'refused', user: 'User', why, userSees, final: true }])
  })

  test('a challenge of the wrong length is ignored', () => {
    expect(peer('mschapv2').recv(challenge(1, 5, 8))).toEqual([
      { do: 'ignored', why: 'a MS-CHAPv2 challenge of 8 octets' },
    ])
    expect(peer('chap').recv(challenge(1, 5, 0))).toEqual([{ do: 'ignored', why: 'a CHAP-MD5 challenge of 0 octets' }])
  })
})

describe('PAP', () => {
  const request = (id: number, word = 'clientPass') =>
    emitPap({ is: 'Authenticate-Request', id, user: text('User'), password: text(word) })
  const ack = (id: number) => emitPap({ is: 'Authenticate-Ack', id, message: text('Welcome') })
  const nak = (id: number) => emitPap({ is: 'Authenticate-Nak', id, message: text('Access denied') })

  test('a request is judged once and its repeats are answered alike', () => {
    const gw = new Bench(new PapAuthenticator())
    expect(gw.recv(request(1))).toEqual([{ do: 'verify', job: 1, attempt: { kind: 'pap', user: 'User', password } }])
    expect(gw.recv(request(2))).toEqual([])
    expect(gw.give({ on: 'verdict', job: 1, verdict: accepted() })).toEqual([
      sends(ack(2)),
      { do: 'accepted', user: 'User' },
    ])
    expect(gw.recv(request(3))).toEqual([sends(ack(3))])
    expect(gw.recv(request(4, 'other'))).toEqual([])
  })

  test('a refusal is final (RFC 1334 §2.2.2)', () => {
    const gw = new Bench(new PapAuthenticator())
    gw.recv(request(1))
    expect(gw.give({ on: 'verdict', job: 1, verdict: wrong })).toEqual([
      sends(nak(1)),
      { do: 'refused', user: 'User', why: 'wrong password', userSees: 691, final: true },
    ])
    expect(gw.recv(request(1))).toEqual([sends(nak(1))])
    expect(gw.give({ on: 'verdict', job: 1, verdict: accepted() })).toEqual([])
  })

  test('the peer asks with new identifiers until one is answered', () => {
    const client = new Bench(new PapPeer({ user: 'User', password, resendMs: 3000 }))
    expect(client.give({ on: 'start' })).toEqual([sends(request(1))])
    expect(client.wait(3000)).toEqual([sends(request(2))])
    expect(client.recv(ack(3))).toEqual([])
    expect(client.recv(ack(1))).toEqual([{ do: 'accepted', user: 'User' }])
    expect(client.recv(nak(2))).toEqual([])
  })

  test('the peer is refused', () => {
    const client = new Bench(new PapPeer({ user: 'User', password, resendMs: 3000 }))
    client.give({ on: 'start' })
    expect(client.recv(nak(1))).toEqual([
      {
        do: 'refused',
        user: 'User',
        why: 'the server refused the user name or password: "Access denied"',
        userSees: 691,
        final: true,
      },
    ])
    expect(client.machine.deadline).toBeUndefined()
  })

  test.each(['', '01', 'ff010004', '0301000401'])('%s is ignored by both', (octets) => {
    for (const machine of [new PapAuthenticator(), new PapPeer({ user: 'User', password, resendMs: 3000 })]) {
      const effects = new Bench(machine).recv(unhex(octets))
      expect(effects.filter((effect) => effect.do !== 'ignored')).toEqual([])
    }
  })
})

test.each(['chap', 'mschap', 'mschapv2'] as const)(
  '%s: our authenticator and our peer understand each other',
  (kind) => {
    const gw = new Bench(new ChapAuthenticator({ kind, name: 'gw', resendMs: 3000, tries: 3 }))
    const client = peer(kind)
    const [asked] = gw.give({ on: 'start' })
    const [answered] = client.recv((asked as { octets: Uint8Array }).octets)
    const [verify] = gw.recv((answered as { octets: Uint8Array }).octets)
    expect(verify).toMatchObject({ do: 'verify', attempt: { kind, user: 'User' } })
    const { attempt } = verify as AuthEffect & { do: 'verify' }
    const proof =
      attempt.kind === 'mschapv2'
        ? authenticatorResponse({ ...attempt, user: text('User') }, attempt.ntResponse, ntPasswordHash('clientPass'))
        : undefined
    const [said] = gw.give({ on: 'verdict', job: 1, verdict: accepted(proof) })
    expect(parseChap((said as { octets: Uint8Array }).octets).is).toBe('Success')
    expect(client.recv((said as { octets: Uint8Array }).octets)).toEqual([{ do: 'accepted', user: 'User' }])
  },
)

test('a secret is not shown by an attempt', () => {
  const gw = new Bench(new PapAuthenticator())
  const effects = gw.recv(emitPap({ is: 'Authenticate-Request', id: 1, user: text('User'), password: text('hunter2') }))
  expect(JSON.stringify(effects)).toContain('[secret]')
  expect(JSON.stringify(effects)).not.toContain(hex(text('hunter2')))
})
