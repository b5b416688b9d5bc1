// The MUSTs of RFC 2661 one by one, those most often missed first of all: each with the words that it rests on, and one trace that would show it broken.
import { describe, expect, test } from 'vitest'
import { L2tpTrace, start, text } from '../../test/fakes/l2tp-trace.ts'
import { SeededRandom } from '../../test/scenarios/network.ts'
import { hex, unhex } from '../wire/codec.ts'
import { Secret } from '../wire/secret.ts'
import { takeId } from './ids.ts'
import { parseAvps } from './wire/avp.ts'
import { emitControl, parseControl } from './wire/header.ts'
import { emitMessage, parseMessage } from './wire/message.ts'
import { messageType } from './wire/registry.ts'

const sccrq = { ...start, assignedTunnelId: 7 }
const icrq = { assignedSessionId: 9, callSerialNumber: 1 }
const hungUp = { assignedSessionId: 9, resultCode: { result: 3, error: 0, text: new Uint8Array(0) } }

function called(policy: ConstructorParameters<typeof L2tpTrace>[0] = {}): L2tpTrace {
  const trace = new L2tpTrace(policy)
  trace.say('SCCRQ', sccrq)
  trace.say('SCCCN')
  trace.say('ICRQ', icrq)
  trace.say('ICCN')
  return trace
}

/** The octets of the first message that an input makes the core send. */
function firstSent(trace: L2tpTrace, input: Parameters<L2tpTrace['put']>[0]): Uint8Array {
  const sent = trace.core.handle(input, trace).find((effect) => effect.do === 'send')
  return sent?.do === 'send' ? sent.octets : new Uint8Array(0)
}

const call = { on: 'call', request: 5, peer: 1, localPort: 1701, remotePort: 1701 } as const
const hangUp = { on: 'hangUp', call: 1, result: 3, error: 0, text: 'Käse' } as const

/** The bodies of all messages, save acknowledgements, that a core sends from now on. */
function bodiesOf(trace: L2tpTrace): readonly Uint8Array[] {
  const bodies: Uint8Array[] = []
  const handle = trace.core.handle.bind(trace.core)
  trace.core.handle = (input, at) => {
    const effects = handle(input, at)
    for (const effect of effects)
      if (effect.do === 'send' && effect.octets.length > 12) bodies.push(effect.octets.slice(12))
    return effects
  }
  return bodies
}

/** Both roles, until each message that we ever send was sent. */
function everything(): readonly Uint8Array[] {
  const [lns, lac] = [new L2tpTrace(), new L2tpTrace()]
  const bodies = [bodiesOf(lns), bodiesOf(lac)]
  lns.say('SCCRQ', sccrq)
  lns.say('SCCCN')
  lns.say('ICRQ', icrq)
  lns.say('ICCN')
  lns.pass(70)
  lns.ack()
  lns.put(hangUp)
  lns.ack()
  lac.put(call)
  lac.say('SCCRP', { ...start, assignedTunnelId: 7 }, { session: 0 })
  lac.ack()
  lac.say('ICRP', { assignedSessionId: 9 })
  return bodies.flat()
}

describe('header', () => {
  // RFC 2661 §3.1: "All reserved bits MUST be set to 0 on outgoing messages and ignored on incoming messages."
  test('RFC 2661 §3.1: reserved bits', () => {
    const plain = emitControl({ tunnel: 0, session: 0, ns: 0, nr: 0 }, emitMessage('SCCRQ', sccrq))
    expect([plain[0], plain[1]]).toEqual([0xc8, 0x02])
    const marked = plain.slice()
    marked.set([0xc8 | 0x34, 0xf2])
    expect(new L2tpTrace().octets(marked)).toEqual(['SCCRP 7/0 Ns 0 Nr 1 T1'])
  })

  // RFC 2661 §3.1: "Packets received with an unknown Ver field MUST be discarded."
  test.each([0, 1, 3, 4, 15])('RFC 2661 §3.1: version %i', (version) => {
    const octets = emitControl({ tunnel: 0, session: 0, ns: 0, nr: 0 }, emitMessage('SCCRQ', sccrq))
    octets[1] = version
    const trace = new L2tpTrace()
    expect(trace.octets(octets).map((line) => line.split(':')[0])).toEqual(['report l2tp.message.invalid'])
    expect(trace.core.status()).toEqual([])
  })

  // RFC 2661 §3.1: the L and S bits "MUST be set to 1 for control messages", O and P "MUST be set to 0".
  test('RFC 2661 §3.1: L, S, O and P of everything that we send', () => {
    const trace = called()
    const sent = [firstSent(new L2tpTrace(), call), firstSent(trace, { on: 'shutdown', text: '' })]
    expect(sent.map((octets) => (octets[0]! << 8) | octets[1]!)).toEqual([0xc802, 0xc802])
  })

  // RFC 2661 §4.4.3: until the Assigned Tunnel ID is received, messages "MUST be sent […] with a Tunnel ID value of 0"; likewise Session IDs.
  test('RFC 2661 §4.4.3, §4.4.4: zero until an ID is assigned', () => {
    const { header } = parseControl(firstSent(new L2tpTrace(), call))
    expect([header.tunnel, header.session]).toEqual([0, 0])
    const trace = new L2tpTrace()
    trace.put(call)
    const lines = trace.say('SCCRP', { ...start, assignedTunnelId: 7 }, { session: 0 })
    expect(lines.at(-1)).toBe('ICRQ 7/0 Ns 2 Nr 1 S1')
  })
})

describe('AVPs', () => {
  const withAvps = (type: string, avps: string) => unhex(`8008 0000 0000 ${type} ${avps}`)

  // RFC 2661 §4.1: an AVP with a reserved bit set "MUST be treated as an unrecognized AVP".
  test('RFC 2661 §4.1: reserved bits of an AVP, with the M bit', () => {
    expect(called().body(withAvps('0006', '8408 0000 000a 0004')).at(-1)).toBe(
      'StopCCN 7/0 Ns 2 Nr 5 T1 2/8 "Receive Window Size has reserved bits set"',
    )
  })

  // RFC 2661 §4.1: in a message of a session "the session […] MUST be terminated", of the tunnel "the entire tunnel […] MUST be terminated".
  test('RFC 2661 §4.1: an unknown AVP with the M bit ends what the message is about', () => {
    const session = called()
    expect(session.body(withAvps('0010', '8006 0000 0063'), { session: session.session }).at(-1)).toMatch(
      /^CDN .* 2\/8/,
    )
    expect(session.core.status()[0]?.state).toBe('established')
    expect(called().body(withAvps('0006', '8006 0000 0063')).at(-1)).toMatch(/^StopCCN .* 2\/8/)
  })

  // RFC 2661 §4.1: "If the M bit is not set, an unrecognized AVP MUST be ignored."
  test('RFC 2661 §4.1: … without the M bit it is passed over', () => {
    expect(called().body(withAvps('0006', '0006 0000 0063 0007 0137 0001 ff'))).toEqual(['ZLB 7/0 Ns 2 Nr 5'])
  })

  // RFC 2661 §4.3: the Random Vector AVP "MUST precede the first AVP with the H bit set".
  test('RFC 2661 §4.3: the Random Vector comes first, in ours and in theirs', () => {
    const secret = new Secret('s3cret')
    const trace = called()
    trace.put({ on: 'policy', policy: { ...trace.policy, secret, hideAvps: true } })
    const avps = parseAvps(firstSent(trace, { on: 'shutdown', text: '' }).slice(12))
    const hidden = avps.findIndex((avp) => avp.hidden)
    expect(hidden).toBeGreaterThan(avps.findIndex(({ type }) => type === 36))
    const theirs = parseMessage(withAvps('0006', 'c016 0000 000e 000102030405060708090a0b0c0d0e0f'), secret.reveal())
    expect(theirs).toMatchObject({ faults: [{ what: 'is hidden without a Random Vector before it' }] })
  })

  // RFC 2661 §4.3: "The H bit MUST only be set if a shared secret exists between the LAC and LNS."
  test('RFC 2661 §4.3: without a secret nothing is hidden, though it is configured', () => {
    const trace = called({ hideAvps: true })
    const avps = parseAvps(firstSent(trace, { on: 'shutdown', text: '' }).slice(12))
    expect(avps.map(({ type, hidden }) => [type, hidden])).toEqual([
      [0, false],
      [9, false],
      [1, false],
    ])
  })

  // RFC 2661 §4.4.2: "Human readable text in all error messages MUST be provided in the UTF-8 charset".
  test('RFC 2661 §4.4.2: our words are in UTF-8', () => {
    expect(hex(firstSent(called(), hangUp))).toContain('4bc3a47365')
  })

  // RFC 2661 §6.1 to §6.12: "The following AVPs MUST be present"; §4.4.3: a Host Name "MUST be at least 1 octet".
  test('RFC 2661 §6: every message of ours holds what its section demands', () => {
    const sent = new Map(
      everything().map((body) => {
        const avps = parseAvps(body)
        const type = messageType((avps[0]!.value[0]! << 8) | avps[0]!.value[1]!)
        return [type, avps.map((avp) => avp.type).sort((a, b) => a - b)] as const
      }),
    )
    expect(Object.fromEntries(sent)).toEqual({
      SCCRQ: [0, 2, 3, 5, 7, 8, 9, 10],
      SCCRP: [0, 2, 3, 7, 8, 9, 10],
      SCCCN: [0],
      HELLO: [0],
      ICRQ: [0, 14, 15],
      ICRP: [0, 14],
      ICCN: [0, 19, 24],
      CDN: [0, 1, 14],
      StopCCN: [0, 1, 9],
    })
    const names = everything().flatMap((body) => parseAvps(body).filter(({ type }) => type === 7))
    expect(names.map(({ value }) => new TextDecoder().decode(value))).toEqual(['gw1', 'gw1'])
  })

  // RFC 2661 §4.4.3: "A peer MUST NOT request an incoming or outgoing call with a Framing Type AVP specifying a value not advertised".
  test.each([
    [1, 1],
    [2, 2],
    [3, 1],
  ])('RFC 2661 §4.4.3: to Framing Capabilities %i goes Framing Type %i', (framingCapabilities, framingType) => {
    const trace = new L2tpTrace()
    trace.put(call)
    trace.say('SCCRP', { ...start, framingCapabilities, assignedTunnelId: 7 }, { session: 0 })
    trace.ack()
    const bodies = bodiesOf(trace)
    trace.say('ICRP', { assignedSessionId: 9 })
    expect(bodies.map((body) => parseMessage(body, undefined))).toMatchObject([
      { type: 'ICCN', fields: { framingType } },
    ])
  })

  // RFC 2661 §4.4.1: the Message Type AVP "MUST be the first AVP in a message".
  test('RFC 2661 §4.4.1: another AVP is first', () => {
    expect(called().body(unhex('8008 0000 000a 0004 8008 0000 0000 0006')).at(-1)).toMatch(/^StopCCN .* 2\/2/)
  })

  // RFC 2661 §4.4.1: with the M bit set and the type not known "the tunnel MUST be cleared"; without, the message "may be ignored".
  test('RFC 2661 §4.4.1: an unknown Message Type', () => {
    expect(called().body(unhex('8008 0000 0000 0042')).at(-1)).toMatch(/^StopCCN /)
    expect(called().body(unhex('0008 0000 0000 0042')).at(-1)).toMatch(/^ZLB /)
  })

  // RFC 2661 §4.4.3: IDs are "non-zero"; RFC 2661 §4.4.2 error 3: "One of the field values was out of range".
  test('RFC 2661 §4.4.2: an Assigned Session ID of zero', () => {
    const trace = new L2tpTrace()
    trace.say('SCCRQ', sccrq)
    trace.say('SCCCN')
    expect(trace.say('ICRQ', { ...icrq, assignedSessionId: 0 }).at(-1)).toMatch(
      /^CDN 7\/0 .* 2\/3 "Assigned Session ID is zero"/,
    )
  })
})

describe('control connection', () => {
  // RFC 2661 §4.4.3: without a Receive Window Size "the peer must assume a Window Size of 4".
  test('RFC 2661 §4.4.3: the window of a peer that names none', () => {
    const trace = called()
    // Slow start is over after a dozen acknowledged messages: the window is all that holds us.
    for (let id = 100; id < 112; id++) {
      trace.say('ICRQ', { assignedSessionId: id, callSerialNumber: id })
    }
    trace.ack()
    const batch = emitMessage('HELLO', {})
    expect(trace.body(batch)).toEqual([expect.stringMatching(/^ZLB/)])
    let sent = 0
    const { nr } = trace
    for (let id = 200; id < 210; id++) {
      sent += trace
        .say('ICRQ', { assignedSessionId: id, callSerialNumber: id }, { nr })
        .filter((line) => line.startsWith('ICRP')).length
    }
    expect(sent).toBe(4)
  })

  // RFC 2661 §4.4.3: the lower tie breaker wins, and the loser "MUST" silently end its own attempt.
  test('RFC 2661 §4.4.3: the loser says nothing of its own connection', () => {
    const trace = new L2tpTrace()
    trace.put(call)
    expect(trace.fresh().say('SCCRQ', { ...sccrq, tieBreaker: new Uint8Array(8) })).toEqual(['SCCRP 7/0 Ns 0 Nr 1 T2'])
    expect(trace.core.status().length).toBe(1)
  })

  // RFC 2661 §5.1.1: a Challenge in SCCRQ or SCCRP: "a Challenge Response […] MUST be sent" in the message that follows.
  test('RFC 2661 §5.1.1: a challenge is answered', () => {
    const trace = new L2tpTrace({ secret: new Secret('s3cret') })
    expect(trace.say('SCCRQ', { ...sccrq, challenge: text('anything') })[0]).toMatch(/ response$/)
  })

  // RFC 2661 §5.0: "The Tunnel and corresponding Control Connection MUST be established before an incoming or outgoing call is initiated."
  test('RFC 2661 §5.0: a call before the control connection stands makes no session', () => {
    const trace = new L2tpTrace()
    trace.say('SCCRQ', sccrq)
    expect(trace.say('ICRQ', icrq).filter((line) => /^[A-Z]/.test(line))).toEqual(['ZLB 7/0 Ns 1 Nr 2'])
  })

  // RFC 2661 §5.3: "The value of 0 […] MUST NOT be used as an Assigned Session ID or Assigned Tunnel ID."
  test('RFC 2661 §5.3: IDs are never zero, to the last one that is free', () => {
    const used = new Set<number>()
    const random = new SeededRandom(1)
    while (used.size < 0xfffe) used.add(takeId(random, used)!)
    const last = takeId(random, used)!
    expect([used.has(0), last > 0 && last <= 0xffff, used.has(last)]).toEqual([false, true, false])
    expect(takeId(random, used.add(last))).toBe(undefined)
  })

  // RFC 2661 §7.2.1, wait-ctl-reply: "If the version is earlier and not supported, a StopCCN MUST be sent to the peer".
  test('RFC 2661 §7.2.1: SCCRP of an earlier version', () => {
    const trace = new L2tpTrace()
    trace.put(call)
    const earlier = { ...start, protocolVersion: { version: 0, revision: 9 }, assignedTunnelId: 7 }
    const lines = trace.say('SCCRP', earlier, { session: 0 })
    expect(lines[0]).toMatch(/^callFailed 5: The peer speaks L2TP 0\.9/)
    expect(lines.at(-1)).toMatch(/^StopCCN 7\/0 Ns 1 Nr 1 T1 5\//)
  })

  // RFC 2661 §6.5: "The Session ID in a HELLO message MUST be 0."
  test('RFC 2661 §6.5: HELLO', () => {
    const trace = called()
    expect(trace.pass(70)[1]).toBe('HELLO 7/0 Ns 2 Nr 4')
  })

  // RFC 2661 §5.7: who receives StopCCN "MUST" keep enough state to acknowledge it for a full retransmission cycle.
  test('RFC 2661 §5.7: StopCCN again after 30 s', () => {
    const trace = called()
    const clear = { assignedTunnelId: 7, resultCode: { result: 1, error: 0, text: new Uint8Array(0) } }
    trace.say('StopCCN', clear)
    trace.now = 30_000
    expect(trace.say('StopCCN', clear, { ns: 4 })).toEqual(['ZLB 7/0 Ns 2 Nr 5'])
    expect(trace.core.status()[0]?.state).toBe('closing')
  })

  // RFC 2661 §5.8: in a shut-down "the state and reliable delivery mechanisms MUST be maintained and operated".
  test('RFC 2661 §5.8: our StopCCN is repeated until it is acknowledged', () => {
    const silent = called()
    silent.put({ on: 'shutdown', text: '' })
    const lines = silent.pass(60)
    expect(lines.filter((line) => line.startsWith('StopCCN')).length).toBe(5)
    expect(lines.slice(-2)).toEqual(['at 31 s', 'idle 1'])
    const heard = called()
    heard.put({ on: 'shutdown', text: '' })
    heard.now = 1_000
    heard.put({ on: 'tick' })
    expect(heard.ack()).toEqual(['idle 1'])
  })

  // RFC 2661 §5.8: "Each subsequent retransmission of a message MUST employ an exponential backoff interval", capped at no less than 8 seconds.
  test('RFC 2661 §5.8: back-off', () => {
    const trace = new L2tpTrace({ retransmit: { firstMs: 1000, capMs: 1000, tries: 5 } })
    trace.say('SCCRQ', sccrq)
    const moments = trace.pass(60).filter((line) => line.startsWith('at '))
    expect(moments).toEqual(['at 1 s', 'at 3 s', 'at 7 s', 'at 15 s', 'at 23 s', 'at 31 s'])
  })

  // RFC 2661 §5.8: duplicates "MUST" be acknowledged, and must not be acted on twice.
  test('RFC 2661 §5.8: a duplicate ICRQ makes no second session', () => {
    const trace = called()
    expect(trace.say('ICRQ', icrq, { ns: 2 })).toEqual(['ZLB 7/0 Ns 2 Nr 4'])
  })

  // RFC 2661 §5.8: messages are to be "processed in order".
  test('RFC 2661 §5.8: ICCN before ICRQ waits for it', () => {
    const trace = new L2tpTrace()
    trace.say('SCCRQ', sccrq)
    trace.say('SCCCN')
    expect(trace.say('HELLO', {}, { ns: 3 })).toEqual([])
    expect(trace.say('ICRQ', icrq, { ns: 2 })).toEqual(['ICRP 7/9 Ns 1 Nr 4 S1'])
  })
})

describe('sessions', () => {
  // RFC 2661 §6.12: CDN: the peer "does not send back any indication of success or failure".
  test('RFC 2661 §6.12: CDN is acknowledged and not answered', () => {
    expect(
      called()
        .say('CDN', hungUp)
        .filter((line) => /^[A-Z]/.test(line)),
    ).toEqual(['ZLB 7/0 Ns 2 Nr 5'])
  })

  // RFC 2661 §8.1: the answer goes to the port asked from; once set up, addresses and ports "MUST remain static for the life of the tunnel".
  test('RFC 2661 §8.1: a message from another port does not move ours', () => {
    const trace = new L2tpTrace()
    trace.say('SCCRQ', sccrq, { port: 40001 })
    trace.say('SCCCN', {}, { port: 40001 })
    expect(trace.say('ICRQ', icrq, { port: 40002 })).toEqual(['ICRP port 40001 7/9 Ns 1 Nr 3 S1'])
  })

  // RFC 2661 §4.4.5: Sequencing Required: sequence numbers "MUST always be present on the data channel".
  test('RFC 2661 §4.4.5: Sequencing Required reaches the data plane', () => {
    const trace = new L2tpTrace()
    trace.say('SCCRQ', sccrq)
    trace.say('SCCCN')
    trace.say('ICRQ', icrq)
    expect(trace.say('ICCN', { sequencingRequired: true })).toContain(
      'callUp 1 T1/S1:1701 to 7/9:1701 sequencing host "client"',
    )
  })
})
