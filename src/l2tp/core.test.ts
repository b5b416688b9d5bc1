// L2TP as traces: what the peer says, and every consequence. `T1`, `S1` are the IDs that we assign; 7 and 9 are the peer's.
import { describe, expect, test } from 'vitest'
import { L2tpTrace, start, text } from '../../test/fakes/l2tp-trace.ts'
import { hexVector } from '../../test/vectors.ts'
import { unhex } from '../wire/codec.ts'
import { Secret } from '../wire/secret.ts'
import { responseTo } from './tunnel-authentication.ts'
import { parseControl } from './wire/header.ts'
import { parseMessage } from './wire/message.ts'

const sccrq = { ...start, assignedTunnelId: 7 }
const icrq = { assignedSessionId: 9, callSerialNumber: 1 }
const iccn = { txConnectSpeed: 100_000_000, framingType: 1 }
const clear = { assignedTunnelId: 7, resultCode: { result: 1, error: 0, text: new Uint8Array(0) } }
const hungUp = { assignedSessionId: 9, resultCode: { result: 3, error: 0, text: new Uint8Array(0) } }

/** A core whose peer has an open control connection. */
function established(policy: ConstructorParameters<typeof L2tpTrace>[0] = {}): L2tpTrace {
  const trace = new L2tpTrace(policy)
  trace.say('SCCRQ', sccrq)
  trace.say('SCCCN')
  return trace
}

/** … and a session. */
function called(policy: ConstructorParameters<typeof L2tpTrace>[0] = {}): L2tpTrace {
  const trace = established(policy)
  trace.say('ICRQ', icrq)
  trace.say('ICCN', iccn)
  return trace
}

function call(trace: L2tpTrace, request = 5): readonly string[] {
  return trace.put({ on: 'call', request, peer: 1, localPort: 1701, remotePort: 1701 })
}

describe('LNS', () => {
  test('a connection without its first session has a minute, whatever else falls due meanwhile', () => {
    const trace = established({ helloSeconds: 20 })
    expect([...new Set(trace.pass(25).filter((line) => !line.startsWith('at ')))]).toEqual(['HELLO 7/0 Ns 1 Nr 2'])
  })

  test('calls that a peer does not finish are 64 at most, and another peer is not hindered', () => {
    const trace = established({ portLimit: 128 })
    const answers = Array.from({ length: 200 }, (_, i) => {
      const lines = trace.say('ICRQ', { assignedSessionId: 1 + i, callSerialNumber: i })
      return lines.some((line) => line.startsWith('report l2tp.session.refused'))
    })
    expect(answers.indexOf(true)).toBe(64)
    const other = { peer: 2 }
    trace.fresh().say('SCCRQ', sccrq, other)
    trace.say('SCCCN', {}, { ...other, nr: 1 })
    expect(trace.say('ICRQ', icrq, { ...other, nr: 1 }).join()).toContain('ICRP')
  })

  test('a client logs in and leaves', () => {
    const trace = new L2tpTrace()
    expect(trace.say('SCCRQ', sccrq)).toEqual(['SCCRP 7/0 Ns 0 Nr 1 T1'])
    // Android waits for this acknowledgement, and for that of ICCN.
    expect(trace.say('SCCCN')).toEqual(['report l2tp.tunnel.established', 'ZLB 7/0 Ns 1 Nr 2'])
    expect(trace.say('ICRQ', { ...icrq, callingNumber: text('555') })).toEqual(['ICRP 7/9 Ns 1 Nr 3 S1'])
    expect(trace.say('ICCN', iccn)).toEqual([
      'report l2tp.session.established',
      'callUp 1 T1/S1:1701 to 7/9:1701 from 555 host "client"',
      'ZLB 7/0 Ns 2 Nr 4',
    ])
    expect(trace.say('CDN', hungUp)).toEqual([
      'report l2tp.session.closed: The peer ended the session: result 3 (administrative reasons).',
      'callDown 1',
      'ZLB 7/0 Ns 2 Nr 5',
    ])
    expect(trace.say('StopCCN', clear)).toEqual([
      'report l2tp.tunnel.closed: The peer closed the control connection: result 1 (it clears the control connection).',
      'ZLB 7/0 Ns 2 Nr 6',
    ])
    // "at least a full retransmission cycle" (RFC 2661 §5.7): the StopCCN may come again.
    trace.now += 20_000
    expect(trace.say('StopCCN', clear, { ns: 4 })).toEqual(['ZLB 7/0 Ns 2 Nr 6'])
    expect(trace.pass(12)).toEqual(['at 31 s', 'idle 1'])
    expect(trace.core.status()).toEqual([])
    expect(trace.core.deadline).toBe(undefined)
  })

  test("Windows' own messages", () => {
    const trace = new L2tpTrace()
    const windows = (name: string) => parseControl(hexVector(`l2tp/l2tp-win10-${name}`)).body
    expect(trace.body(windows('sccrq'), { tunnel: 0 })).toEqual(['SCCRP 1/0 Ns 0 Nr 1 T1'])
    expect(trace.body(windows('scccn'))).toEqual(['report l2tp.tunnel.established', 'ZLB 1/0 Ns 1 Nr 2'])
    expect(trace.body(windows('icrq'))).toEqual(['ICRP 1/1 Ns 1 Nr 3 S1'])
    expect(trace.body(windows('iccn'), { session: trace.session })).toEqual([
      'report l2tp.session.established',
      'callUp 1 T1/S1:1701 to 1/1:1701 host "DESKTOP-ABCDEFG"',
      'ZLB 1/0 Ns 2 Nr 4',
    ])
    expect(trace.core.status()).toEqual([
      {
        peer: 1,
        localTunnel: trace.tunnel,
        remoteTunnel: 1,
        peerHostName: 'DESKTOP-ABCDEFG',
        state: 'established',
        since: 0,
        calls: [1],
      },
    ])
    expect(trace.body(windows('cdn'), { session: trace.session })).toContain('callDown 1')
    expect(trace.body(windows('stopccn'))).toContain('ZLB 1/0 Ns 2 Nr 6')
  })

  test("Apple's own messages; its CDN has the wrong length and byte order", () => {
    const trace = new L2tpTrace()
    const apple = (name: string) => parseControl(hexVector(`l2tp/l2tp-macos-${name}`)).body
    trace.body(apple('sccrq'), { tunnel: 0, port: 54321 })
    trace.say('SCCCN', {}, { port: 54321 })
    expect(trace.body(apple('icrq'), { port: 54321 })).toEqual(['ICRP port 54321 258/1234 Ns 1 Nr 3 S1'])
    expect(trace.body(apple('iccn'), { session: trace.session, port: 54321 })).toContain(
      'callUp 1 T1/S1:1701 to 258/1234:54321 host "MacBook-Pro.local"',
    )
    expect(trace.body(apple('cdn-badlen'), { session: trace.session, port: 54321 })).toEqual([
      'report l2tp.session.closed: The peer ended the session: result 3 (administrative reasons).',
      'callDown 1',
      'ZLB port 54321 258/0 Ns 2 Nr 5',
    ])
  })

  test("Android's own messages: our flags and first AVP are those that it compares with", () => {
    const trace = new L2tpTrace()
    const android = (name: string) => parseControl(hexVector(`l2tp/l2tp-android-${name}`)).body
    const [reply] = trace.core.handle(
      { on: 'control', peer: 1, localPort: 1701, remotePort: 1701, octets: hexVector('l2tp/l2tp-android-sccrq') },
      trace,
    )
    const octets = reply?.do === 'send' ? reply.octets : new Uint8Array(0)
    expect(octets.slice(0, 2)).toEqual(unhex('c802'))
    expect(octets.slice(12, 20)).toEqual(unhex('8008 0000 0000 0002'))
    const fields = parseMessage(octets.slice(12), undefined)
    trace.tunnel = (fields.is === 'message' && fields.fields.assignedTunnelId) || 0
    Object.assign(trace, { ns: 1, nr: 1 })
    expect(trace.say('SCCCN')).toEqual(['report l2tp.tunnel.established', 'ZLB 31281/0 Ns 1 Nr 2'])
    expect(trace.body(android('icrq'))).toEqual(['ICRP 31281/17 Ns 1 Nr 3 S1'])
    expect(trace.body(android('iccn'), { session: trace.session })).toContain('ZLB 31281/0 Ns 2 Nr 4')
  })

  test('an ICCN without speed and framing (Cisco), and one that asks for sequence numbers', () => {
    const trace = established()
    trace.say('ICRQ', icrq)
    expect(trace.say('ICCN', { sequencingRequired: true })).toContain(
      'callUp 1 T1/S1:1701 to 7/9:1701 sequencing host "client"',
    )
  })

  test('the answer goes to the port that was asked from', () => {
    const trace = new L2tpTrace()
    expect(trace.say('SCCRQ', sccrq, { port: 40001 })).toEqual(['SCCRP port 40001 7/0 Ns 0 Nr 1 T1'])
  })

  test('several sessions on one control connection', () => {
    const trace = called()
    expect(trace.say('ICRQ', { assignedSessionId: 10, callSerialNumber: 2 })).toEqual(['ICRP 7/10 Ns 2 Nr 5 S2'])
    expect(trace.say('ICCN', iccn)).toContain('callUp 2 T1/S2:1701 to 7/10:1701 host "client"')
    expect(trace.say('CDN', { ...hungUp, assignedSessionId: 10 })).toContain('callDown 2')
    expect(trace.core.status()[0]?.calls).toEqual([1])
  })

  test('WEN and SLI are taken', () => {
    const trace = called()
    const none = { crc: 0, framing: 0, hardwareOverruns: 0, bufferOverruns: 0, timeOut: 0, alignment: 0 }
    expect(trace.say('WEN', { callErrors: none })).toEqual(['ZLB 7/0 Ns 2 Nr 5'])
    expect(trace.say('SLI', { accm: { send: 0, receive: 0 } })).toEqual(['ZLB 7/0 Ns 2 Nr 6'])
  })

  test('an outgoing call is refused politely', () => {
    const trace = established()
    expect(trace.say('OCRQ', { assignedSessionId: 9, callSerialNumber: 1 })).toEqual([
      'report l2tp.session.refused: The peer asked this gateway to place an outgoing call (OCRQ); it has no lines to dial on. Let the peer ask for an incoming call (ICRQ), as VPN clients do.',
      'CDN 7/9 Ns 1 Nr 3 S1 5/0 "no outgoing calls here"',
    ])
  })

  test('all ports in use', () => {
    const trace = called({ portLimit: 1 })
    expect(trace.say('ICRQ', { assignedSessionId: 10, callSerialNumber: 2 })).toEqual([
      'report l2tp.session.refused: All 1 L2TP ports are in use, so the session was refused: end a session, or raise remoteAccess.portLimit.',
      'CDN 7/10 Ns 2 Nr 5 S2 4/4 "all 1 ports are in use"',
    ])
    trace.say('CDN', hungUp)
    expect(trace.say('ICRQ', { assignedSessionId: 11, callSerialNumber: 3 })).toEqual(['ICRP 7/11 Ns 3 Nr 7 S3'])
  })

  test('the limit counts sessions of every peer, those being set up among them', () => {
    const trace = established({ portLimit: 1 })
    trace.say('ICRQ', icrq)
    trace.fresh()
    expect(trace.say('SCCRQ', sccrq, { peer: 2 })).toEqual(['SCCRP peer 2 7/0 Ns 0 Nr 1 T2'])
    trace.nr = 1
    trace.say('SCCCN', {}, { peer: 2 })
    expect(trace.say('ICRQ', icrq, { peer: 2 })[1]).toMatch(/^CDN peer 2 .* 4\/4/)
  })
})

describe('ending', () => {
  test('we hang up: CDN, and with the last session StopCCN', () => {
    const trace = called()
    const lines = trace.put({ on: 'hangUp', call: 1, result: 3, error: 0, text: 'disabled by the operator' })
    expect(lines).toEqual([
      'report l2tp.session.closed: The session was ended by this end: disabled by the operator.',
      'callDown 1',
      'report l2tp.tunnel.closed: The session was ended by this end: disabled by the operator.',
      'CDN 7/9 Ns 2 Nr 4 S1 3/0 "disabled by the operator"',
      'StopCCN 7/0 Ns 3 Nr 4 T1 1/0 ""',
    ])
    expect(trace.ack()).toEqual(['idle 1'])
    expect(trace.put({ on: 'hangUp', call: 1, result: 3, error: 0, text: '' })).toEqual([])
  })

  test('shutdown says StopCCN to everybody', () => {
    const trace = called()
    expect(trace.put({ on: 'shutdown', text: 'reboot' })).toEqual([
      'report l2tp.session.closed: This end shuts down: reboot.',
      'callDown 1',
      'report l2tp.tunnel.closed: This end shuts down: reboot.',
      'StopCCN 7/0 Ns 2 Nr 4 T1 6/0 "reboot"',
    ])
    expect(trace.ack()).toEqual(['idle 1'])
  })

  test('StopCCN crosses StopCCN', () => {
    const trace = called()
    trace.put({ on: 'shutdown', text: '' })
    expect(trace.say('StopCCN', clear, { nr: 2 })).toEqual(['ZLB 7/0 Ns 3 Nr 5'])
    expect(trace.pass(40)).toEqual(['at 31 s', 'idle 1'])
  })

  test('the peer is gone: everything of it is dropped, and nothing said', () => {
    const trace = called()
    expect(trace.put({ on: 'peerGone', peer: 1 })).toEqual([
      "report l2tp.session.closed: The peer's last IPsec SA is gone, and L2TP with it.",
      'callDown 1',
      "report l2tp.tunnel.closed: The peer's last IPsec SA is gone, and L2TP with it.",
    ])
    expect(trace.core.deadline).toBe(undefined)
    expect(trace.put({ on: 'peerGone', peer: 1 })).toEqual([])
  })

  test('after its last session a client may close or call again; then the connection is closed for it', () => {
    const trace = called()
    trace.say('CDN', hungUp)
    expect(trace.pass(14)).toEqual([])
    expect(trace.pass(1)).toEqual([
      'at 15 s',
      'report l2tp.tunnel.closed: No session is left on the control connection, and none was asked for in 15 s.',
      'StopCCN 7/0 Ns 2 Nr 5 T1 1/0 ""',
    ])
  })

  test.each([
    [
      'our tunnel ID instead of its own (MSL2TP)',
      (trace: L2tpTrace) => ({ ...clear, assignedTunnelId: trace.tunnel }),
      {},
    ],
    ['an ID that means nothing', () => ({ ...clear, assignedTunnelId: 4444 }), {}],
    ['no ID', () => ({ resultCode: clear.resultCode }), {}],
    ['no result code', () => ({ assignedTunnelId: 7 }), {}],
    ['tunnel 0 in the header', () => clear, { tunnel: 0 }],
    ['a wrong tunnel in the header', () => clear, { tunnel: 4445 }],
  ])('StopCCN with %s ends the connection', (_, fields, place) => {
    const trace = called()
    expect(trace.say('StopCCN', fields(trace), place)).toContain('callDown 1')
  })

  test.each([
    ['our session ID instead of its own', (trace: L2tpTrace) => ({ ...hungUp, assignedSessionId: trace.session }), 0],
    ['session 0 in the header', () => hungUp, 0],
    ['a wrong session in the header', () => hungUp, 4444],
    ['no ID inside', () => ({ resultCode: hungUp.resultCode }), undefined],
    ['nothing inside', () => ({}), undefined],
  ])('CDN with %s ends the session', (_, fields, session) => {
    const trace = called()
    expect(trace.say('CDN', fields(trace), session === undefined ? {} : { session })).toContain('callDown 1')
  })

  test('StopCCN for a connection that is forgotten is acknowledged, once for each', () => {
    const trace = new L2tpTrace()
    expect(trace.say('StopCCN', clear, { tunnel: 99, ns: 4, nr: 6 })).toEqual([
      'report l2tp.message.invalid: StopCCN came for an L2TP control connection that is closed already.',
      'ZLB 7/0 Ns 6 Nr 5',
    ])
    expect(trace.core.status()).toEqual([])
  })
})

describe('unusable messages', () => {
  const unknownAvp = (bits: string) => unhex(`${bits}08 0009 0007 0001`)
  const withAvp = (type: string, avp: Uint8Array) => Uint8Array.from([...unhex(`8008 0000 0000 ${type}`), ...avp])

  test('an unknown mandatory AVP in a message of the control connection ends it', () => {
    const trace = called()
    expect(trace.body(withAvp('0006', unknownAvp('80')))).toEqual([
      "report l2tp.session.closed: The peer's HELLO holds an AVP that it marks as mandatory and that can't be used: AVP 7 of vendor 9 is not known here. RFC 2661 §4.1 ends the control connection for it; switch the extension or setting that sends it off at the peer.",
      'callDown 1',
      "report l2tp.tunnel.closed: The peer's HELLO holds an AVP that it marks as mandatory and that can't be used: AVP 7 of vendor 9 is not known here. RFC 2661 §4.1 ends the control connection for it; switch the extension or setting that sends it off at the peer.",
      'StopCCN 7/0 Ns 2 Nr 5 T1 2/8 "AVP 7 of vendor 9 is not known here"',
    ])
  })

  test('… in a message of a session only that session', () => {
    const trace = called()
    const lines = trace.body(withAvp('0010', unknownAvp('80')), { session: trace.session })
    expect(lines.slice(1)).toEqual(['callDown 1', 'CDN 7/9 Ns 2 Nr 5 S1 2/8 "AVP 7 of vendor 9 is not known here"'])
    expect(trace.core.status()[0]?.state).toBe('established')
  })

  test('… in ICRQ, and the same without the M bit', () => {
    const trace = established()
    const request = unhex('8008 0000 000e 0009 800a 0000 000f 00000001')
    const body = (avp: Uint8Array) => withAvp('000a', Uint8Array.from([...request, ...avp]))
    expect(trace.body(body(unknownAvp('80')))[1]).toBe('CDN 7/9 Ns 1 Nr 3 S1 2/8 "AVP 7 of vendor 9 is not known here"')
    expect(trace.body(body(unknownAvp('00')))).toEqual(['ICRP 7/9 Ns 2 Nr 4 S2'])
  })

  test('… in CDN and StopCCN it changes nothing: they end things anyway', () => {
    const trace = called()
    expect(trace.body(withAvp('000e', unknownAvp('80')), { session: trace.session })).toContain('callDown 1')
    expect(trace.body(withAvp('0004', unknownAvp('80')))).toContain('ZLB 7/0 Ns 2 Nr 6')
  })

  test('a message type that is not known, with and without the M bit', () => {
    const trace = called()
    expect(trace.body(unhex('0008 0000 0000 0063'))).toEqual([
      "report l2tp.message.invalid: On L2TP control connection T1: message type 99 is not RFC 2661's.",
      'ZLB 7/0 Ns 2 Nr 5',
    ])
    expect(trace.body(unhex('8008 0000 0000 0063')).at(-1)).toBe(
      'StopCCN 7/0 Ns 2 Nr 6 T1 2/8 "message type 99 is not known"',
    )
  })

  test('a body that cannot be read clears the control connection (RFC 2661 §7.1)', () => {
    const trace = called()
    expect(trace.body(unhex('8008 0000 0000 0006 8003')).at(-1)).toBe(
      'StopCCN 7/0 Ns 2 Nr 5 T1 2/2 "malformed message"',
    )
  })

  test('a header that cannot be read changes nothing', () => {
    const trace = called()
    const before = JSON.stringify([trace.core.status(), trace.core.deadline])
    expect(trace.octets(unhex('c803 0014 0000 0000 0000 0000 8008 0000 0000 0001'))).toEqual([
      "report l2tp.message.invalid: An L2TP header can't be read: version at octet 2: is 3: this is L2TPv3 (RFC 3931); L2TPv2 is spoken here.",
    ])
    expect(JSON.stringify([trace.core.status(), trace.core.deadline])).toBe(before)
  })

  test.each([
    ['no Assigned Tunnel ID', { ...start }, {}, 'has no usable Assigned Tunnel ID'],
    ['a zero Assigned Tunnel ID', { ...start, assignedTunnelId: 0 }, {}, 'has no usable Assigned Tunnel ID'],
    ['Ns 3', sccrq, { ns: 3 }, 'has Ns 3 and Nr 0, not 0'],
  ])("SCCRQ with %s can't even be refused", (_, fields, place, fault) => {
    const trace = new L2tpTrace()
    expect(trace.say('SCCRQ', fields, place)).toEqual([
      `report l2tp.message.invalid: The peer's SCCRQ ${fault}, so it can't even be refused.`,
    ])
    expect(trace.core.status()).toEqual([])
  })

  test('SCCRQ of another version', () => {
    const trace = new L2tpTrace()
    expect(trace.say('SCCRQ', { ...sccrq, protocolVersion: { version: 3, revision: 0 } })).toEqual([
      'report l2tp.tunnel.refused: The peer speaks L2TP 3.0, and only 1.0 (RFC 2661, "L2TPv2") is spoken here: set the peer to L2TPv2.',
      'StopCCN 7/0 Ns 0 Nr 1 T1 5/256 "L2TP 1.0 (RFC 2661) is spoken here"',
    ])
    expect(trace.ack({ ns: 1 })).toEqual(['idle 1'])
  })

  test('SCCRQ without Framing Capabilities', () => {
    const trace = new L2tpTrace()
    const { framingCapabilities: _, ...rest } = sccrq
    expect(trace.say('SCCRQ', rest)[1]).toBe('StopCCN 7/0 Ns 0 Nr 1 T1 2/6 "SCCRQ lacks Framing Capabilities"')
  })
})

describe("one peer's packets never reach another's connection", () => {
  test('the same IDs, and messages for a neighbour', () => {
    const trace = called()
    const { tunnel, session } = trace
    trace.fresh()
    trace.say('SCCRQ', sccrq, { peer: 2 })
    const other = { tunnel: trace.tunnel, session: trace.session }
    expect(other.tunnel).not.toBe(tunnel)
    expect(trace.say('CDN', hungUp, { peer: 2, tunnel, session, ns: 4, nr: 2 })).toEqual([
      'report l2tp.message.invalid: CDN came for L2TP control connection T1, which this peer does not have: it closed long ago, or the peer sends with wrong IDs.',
    ])
    expect(trace.say('StopCCN', { ...clear, assignedTunnelId: tunnel }, { peer: 2, tunnel, ns: 4, nr: 2 })[0]).toMatch(
      /closed already/,
    )
    expect(trace.core.status().map(({ peer, state, calls }) => [peer, state, calls])).toEqual([
      [1, 'established', [1]],
      [2, 'wait-ctl-conn', []],
    ])
  })

  test('IDs are never zero, and never twice', () => {
    const trace = new L2tpTrace()
    const ids = new Set<number>()
    for (let peer = 10; peer < 1010; peer++) {
      trace.fresh().say('SCCRQ', sccrq, { peer })
      ids.add(trace.tunnel)
    }
    expect(ids.size).toBe(1000)
    expect(ids.has(0)).toBe(false)
  })
})

describe('clients that start over', () => {
  test('SCCRQ again before SCCRP arrived: the same connection, and SCCRP again at once', () => {
    const trace = new L2tpTrace()
    trace.say('SCCRQ', sccrq)
    trace.now = 500
    expect(trace.say('SCCRQ', sccrq, { ns: 0, nr: 0 })).toEqual(['SCCRP 7/0 Ns 0 Nr 1 T1'])
    expect(trace.core.status().length).toBe(1)
  })

  test('a late copy of SCCRQ after SCCCN is only acknowledged', () => {
    const trace = called()
    trace.now = 3000
    expect(trace.say('SCCRQ', sccrq, { ns: 0, nr: 0 })).toEqual(['ZLB 7/0 Ns 2 Nr 4'])
    expect(trace.core.status()[0]?.calls).toEqual([1])
  })

  test('the same SCCRQ much later is a client that starts over: the old connection is void', () => {
    const trace = called()
    trace.now = 20_000
    expect(trace.fresh().say('SCCRQ', sccrq)).toEqual([
      'report l2tp.session.closed: The peer started over with the same L2TP tunnel ID; its earlier control connection is void.',
      'callDown 1',
      'report l2tp.tunnel.closed: The peer started over with the same L2TP tunnel ID; its earlier control connection is void.',
      'SCCRP 7/0 Ns 0 Nr 1 T2',
    ])
  })

  test('SCCRQ with the same tunnel ID and other contents is one at once', () => {
    const trace = called()
    expect(trace.fresh().say('SCCRQ', { ...sccrq, hostName: text('other') })).toContain('SCCRP 7/0 Ns 0 Nr 1 T2')
  })

  test('with another tunnel ID both stand; the old one is asked at once, and goes when it does not answer', () => {
    const trace = called()
    trace.fresh()
    expect(trace.say('SCCRQ', { ...start, assignedTunnelId: 8 })).toEqual(['SCCRP 8/0 Ns 0 Nr 1 T2'])
    trace.nr = 1
    expect(trace.say('SCCCN')).toEqual(['report l2tp.tunnel.established', 'HELLO 7/0 Ns 2 Nr 4', 'ZLB 8/0 Ns 1 Nr 2'])
    trace.nr = 1
    trace.say('ICRQ', { assignedSessionId: 1, callSerialNumber: 1 })
    trace.say('ICCN', iccn)
    expect(trace.pass(32).filter((line) => !line.startsWith('HELLO 7/0') && !line.startsWith('at '))).toEqual([
      'report l2tp.peer.silent: The peer has not acknowledged an L2TP message in 31 s (5 retransmissions): it is switched off, asleep or cut off.',
      'report l2tp.session.closed: The peer has not acknowledged an L2TP message in 31 s (5 retransmissions): it is switched off, asleep or cut off.',
      'callDown 1',
    ])
    expect(trace.core.status().map(({ remoteTunnel, calls }) => [remoteTunnel, calls])).toEqual([[8, [2]]])
  })

  test('a peer opens only so many', () => {
    const trace = new L2tpTrace()
    const open = (assignedTunnelId: number) => trace.fresh().say('SCCRQ', { ...start, assignedTunnelId })
    for (let id = 1; id <= 8; id++) expect(open(id)[0]).toMatch(/^SCCRP/)
    expect(open(9)).toEqual([
      'report l2tp.tunnel.refused: No further L2TP control connection or session is possible for this peer: it has as many as are allowed, or all IDs are taken. End some of them.',
    ])
  })
})

test('a client that closes and dials again at once, with the very same SCCRQ, is a new one', () => {
  const trace = called()
  trace.say('CDN', hungUp)
  trace.say('StopCCN', clear)
  trace.now = 1000
  expect(trace.fresh().say('SCCRQ', sccrq)).toEqual(['SCCRP 7/0 Ns 0 Nr 1 T2'])
})

test('a refused SCCRQ again, before the refusal arrived, is refused once', () => {
  const trace = new L2tpTrace()
  const old = { ...sccrq, protocolVersion: { version: 3, revision: 0 } }
  trace.say('SCCRQ', old)
  expect(trace.say('SCCRQ', old, { ns: 0, nr: 0 })).toEqual(['ZLB 7/0 Ns 1 Nr 1'])
  expect(trace.core.status().length).toBe(1)
})

test('a client that dials and closes over and over is never refused for what it closed', () => {
  const trace = new L2tpTrace()
  for (let id = 1; id <= 30; id++) {
    trace.now += 500
    expect(trace.fresh().say('SCCRQ', { ...start, assignedTunnelId: id })[0]).toMatch(/^SCCRP/)
    trace.say('SCCCN')
    trace.say('StopCCN', { ...clear, assignedTunnelId: id })
  }
  expect(trace.core.status().length).toBe(8)
  expect(trace.pass(60).filter((line) => line.startsWith('idle'))).toEqual(['idle 1'])
})

describe('HELLO', () => {
  test('a quiet connection is asked, and an answer is enough', () => {
    const trace = called()
    const lines = trace.pass(70)
    expect(lines[1]).toBe('HELLO 7/0 Ns 2 Nr 4')
    expect(trace.ack()).toEqual([])
    expect(trace.core.status().length).toBe(1)
  })

  test('data is an answer too', () => {
    const trace = called()
    for (let i = 0; i < 20; i++) {
      expect(trace.pass(30)).toEqual([])
      trace.put({ on: 'heard', peers: [1, 99] })
    }
  })

  test("the peer's HELLO is acknowledged", () => {
    expect(called().say('HELLO')).toEqual(['ZLB 7/0 Ns 2 Nr 5'])
  })

  test('no answer: the back-off doubles up to the cap, then the peer counts as gone', () => {
    const trace = called()
    const lines = trace.pass(200)
    const first = Number(lines[0]!.slice(3, -2))
    const moments = lines
      .filter((line) => line.startsWith('at '))
      .map((line) => Math.round(Number(line.slice(3, -2)) - first))
    expect(moments).toEqual([0, 1, 3, 7, 15, 23, 31])
    expect(lines.slice(-4)).toEqual([
      'report l2tp.peer.silent: The peer has not acknowledged an L2TP message in 31 s (5 retransmissions): it is switched off, asleep or cut off.',
      'report l2tp.session.closed: The peer has not acknowledged an L2TP message in 31 s (5 retransmissions): it is switched off, asleep or cut off.',
      'callDown 1',
      'idle 1',
    ])
    expect(trace.core.status()).toEqual([])
  })

  test('helloSeconds 0: never', () => {
    expect(called({ helloSeconds: 0 }).pass(3600)).toEqual([])
  })
})

describe('set-up that stops', () => {
  test('SCCRP is never answered', () => {
    const trace = new L2tpTrace()
    trace.say('SCCRQ', sccrq)
    expect(trace.pass(60).slice(-2)).toEqual([
      'report l2tp.peer.silent: The peer did not answer SCCRP in 31 s (5 retransmissions): its packets reach us and ours do not reach it; check the path back to it.',
      'idle 1',
    ])
  })

  test('SCCRP is acknowledged, and SCCCN never comes', () => {
    const trace = new L2tpTrace()
    trace.say('SCCRQ', sccrq)
    trace.ack()
    expect(trace.pass(60)).toEqual([
      'at 60 s',
      'report l2tp.tunnel.refused: The control connection was not set up within 60 s: the peer acknowledges our messages but stopped in state wait-ctl-conn. Let it dial again.',
      'StopCCN 7/0 Ns 1 Nr 1 T1 1/0 "set-up took too long"',
    ])
  })

  test('ICRP is acknowledged, and ICCN never comes', () => {
    const trace = established({ helloSeconds: 0 })
    trace.say('ICRQ', icrq)
    trace.ack()
    expect(trace.pass(60)).toEqual([
      'at 60 s',
      'report l2tp.session.refused: The session was not set up within 60 s: the peer stopped in state wait-connect. It lost our messages or waits for a modem; let it dial again.',
      'CDN 7/9 Ns 2 Nr 3 S1 10/0 "set-up took too long"',
    ])
  })
})

describe('LAC', () => {
  test('calls, on a connection of its own, and hangs up', () => {
    const trace = new L2tpTrace()
    expect(call(trace)).toEqual(['SCCRQ 0/0 Ns 0 Nr 0 T1'])
    expect(trace.say('SCCRP', { ...start, hostName: text('server'), assignedTunnelId: 7 }, { session: 0 })).toEqual([
      'report l2tp.tunnel.established',
      'SCCCN 7/0 Ns 1 Nr 1',
      'ICRQ 7/0 Ns 2 Nr 1 S1',
    ])
    expect(trace.say('ICRP', { assignedSessionId: 9 })).toEqual([
      'report l2tp.session.established',
      'callUp 1 request 5 T1/S1:1701 to 7/9:1701 host "server"',
      'ICCN 7/9 Ns 3 Nr 2',
    ])
    trace.ack()
    expect(trace.put({ on: 'hangUp', call: 1, result: 1, error: 0, text: '' })).toEqual([
      'report l2tp.session.closed: The session was ended by this end.',
      'callDown 1',
      'report l2tp.tunnel.closed: The session was ended by this end.',
      'CDN 7/9 Ns 4 Nr 2 S1 1/0 ""',
      'StopCCN 7/0 Ns 5 Nr 2 T1 1/0 ""',
    ])
  })

  test('a second call uses the connection that stands', () => {
    const trace = new L2tpTrace()
    call(trace)
    trace.say('SCCRP', { ...start, assignedTunnelId: 7 }, { session: 0 })
    trace.ack()
    trace.say('ICRP', { assignedSessionId: 9 })
    trace.ack()
    expect(call(trace, 6)).toEqual(['ICRQ 7/0 Ns 4 Nr 2 S2'])
    expect(trace.say('ICRP', { assignedSessionId: 10 })).toContain(
      'callUp 2 request 6 T1/S2:1701 to 7/10:1701 host "client"',
    )
  })

  test('the server answers from another port (RFC 2661 §8.1)', () => {
    const trace = new L2tpTrace()
    call(trace)
    expect(trace.say('SCCRP', { ...start, assignedTunnelId: 7 }, { session: 0, port: 5005 })).toContain(
      'SCCCN port 5005 7/0 Ns 1 Nr 1',
    )
  })

  test('the server hangs up: nothing else is on the connection, so it goes', () => {
    const trace = new L2tpTrace()
    call(trace)
    trace.say('SCCRP', { ...start, assignedTunnelId: 7 }, { session: 0 })
    trace.ack()
    trace.say('ICRP', { assignedSessionId: 9 })
    expect(trace.say('CDN', hungUp)).toEqual([
      'report l2tp.session.closed: The peer ended the session: result 3 (administrative reasons).',
      'callDown 1',
      'report l2tp.tunnel.closed: The last session is over.',
      'StopCCN 7/0 Ns 4 Nr 3 T1 1/0 ""',
    ])
  })

  test('the server refuses the connection, with its words', () => {
    const trace = new L2tpTrace()
    call(trace)
    const resultCode = { result: 2, error: 4, text: text('too\nmany') }
    expect(trace.say('StopCCN', { assignedTunnelId: 7, resultCode })).toEqual([
      'callFailed 5: The peer closed the control connection: result 2 (general error), error 4 (not enough resources now), saying "too\\x0amany".',
      'report l2tp.tunnel.refused: The peer closed the control connection: result 2 (general error), error 4 (not enough resources now), saying "too\\x0amany".',
      'ZLB 7/0 Ns 1 Nr 1',
    ])
  })

  test('the server refuses the session', () => {
    const trace = new L2tpTrace()
    call(trace)
    trace.say('SCCRP', { ...start, assignedTunnelId: 7 }, { session: 0 })
    trace.ack()
    const resultCode = { result: 4, error: 4, text: text('no ports') }
    expect(trace.say('CDN', { assignedSessionId: 9, resultCode })).toEqual([
      'callFailed 5: The peer ended the session: result 4 (no facilities available for now), error 4, saying "no ports".',
      'report l2tp.tunnel.closed: The last session is over.',
      'StopCCN 7/0 Ns 3 Nr 2 T1 1/0 ""',
    ])
  })

  test('nobody answers', () => {
    const trace = new L2tpTrace()
    call(trace)
    const lines = trace.pass(60)
    expect(lines.slice(-3)).toEqual([
      'report l2tp.peer.silent: The peer did not answer SCCRQ in 31 s (5 retransmissions): no L2TP server listens there, or it does not accept us; check that one runs and that its IPsec policy covers UDP port 1701.',
      'callFailed 5: The peer did not answer SCCRQ in 31 s (5 retransmissions): no L2TP server listens there, or it does not accept us; check that one runs and that its IPsec policy covers UDP port 1701.',
      'idle 1',
    ])
  })

  test('SCCRP that nobody asked for is refused', () => {
    const trace = new L2tpTrace()
    expect(trace.say('SCCRP', { ...start, assignedTunnelId: 7 }, { tunnel: 99, session: 0, ns: 0, nr: 1 })).toEqual([
      'report l2tp.tunnel.refused: The peer sent SCCRP in state idle, where RFC 2661 §7.2.1 has no place for it; it lost track of the control connection and must dial again.',
      'StopCCN 7/0 Ns 1 Nr 1 T1 7/0 "SCCRP in state idle"',
    ])
    expect(trace.ack({ ns: 1, nr: 2 })).toEqual(['idle 1'])
  })
})

describe('tunnel authentication', () => {
  const secret = new Secret('s3cret')
  const challenge = unhex('000102030405060708090a0b0c0d0e0f')

  test('both ends ask, as LNS', () => {
    const trace = new L2tpTrace({ secret })
    expect(trace.say('SCCRQ', { ...sccrq, challenge })).toEqual(['SCCRP 7/0 Ns 0 Nr 1 T1 challenge response'])
    expect(trace.say('SCCCN', { challengeResponse: new Uint8Array(16) })).toEqual([
      "report l2tp.tunnel.refused: The peer's L2TP secret is not ours (its answer to the tunnel authentication challenge is wrong): make both the same. This is neither the pre-shared key of IPsec nor the user's password.",
      'StopCCN 7/0 Ns 1 Nr 2 T1 4/0 "wrong response to the challenge"',
    ])
  })

  test('the client gives no response', () => {
    const trace = new L2tpTrace({ secret })
    expect(trace.say('SCCRQ', sccrq)).toEqual(['SCCRP 7/0 Ns 0 Nr 1 T1 challenge'])
    expect(trace.say('SCCCN')[1]).toBe('StopCCN 7/0 Ns 1 Nr 2 T1 4/0 "no response to the challenge"')
  })

  test('Windows leaves at our challenge: the hint says why', () => {
    const trace = new L2tpTrace({ secret })
    trace.say('SCCRQ', sccrq)
    expect(trace.say('StopCCN', clear)[0]).toBe(
      "report l2tp.tunnel.refused: The peer closed the control connection: result 1 (it clears the control connection). This end asks for tunnel authentication (remoteAccess.tunnelSecret), and the peer has no L2TP secret or another one; Windows can't use one.",
    )
  })

  test('the client asks, and we have no secret', () => {
    const trace = new L2tpTrace()
    expect(trace.say('SCCRQ', { ...sccrq, challenge })[1]).toBe(
      'StopCCN 7/0 Ns 0 Nr 1 T1 4/0 "no L2TP secret is configured here"',
    )
  })

  test("as LAC: our challenge goes out, its answer is checked, the server's is answered", () => {
    const trace = new L2tpTrace({ secret })
    const sent = trace.core.handle({ on: 'call', request: 5, peer: 1, localPort: 1701, remotePort: 1701 }, trace)
    const octets = sent[0]?.do === 'send' ? sent[0].octets : new Uint8Array(0)
    const asked = parseMessage(octets.slice(12), undefined)
    const fields = asked.is === 'message' ? asked.fields : {}
    trace.tunnel = fields.assignedTunnelId!
    trace.nr = 1
    const challengeResponse = responseTo(fields.challenge!, secret.reveal(), 'SCCRP')
    expect(trace.say('SCCRP', { ...start, assignedTunnelId: 7, challenge, challengeResponse }, { session: 0 })).toEqual(
      ['report l2tp.tunnel.established', 'SCCCN 7/0 Ns 1 Nr 1 response', 'ICRQ 7/0 Ns 2 Nr 1 S1'],
    )
  })

  test('as LAC: the server has another secret', () => {
    const trace = new L2tpTrace({ secret })
    call(trace)
    const lines = trace.say(
      'SCCRP',
      { ...start, assignedTunnelId: 7, challengeResponse: new Uint8Array(16) },
      { session: 0 },
    )
    expect(lines[0]).toMatch(/^callFailed 5: The peer's L2TP secret is not ours/)
    expect(lines.at(-1)).toBe('StopCCN 7/0 Ns 1 Nr 1 T1 4/0 "wrong response to the challenge"')
  })
})

describe('both ends open at once (RFC 2661 §4.4.3)', () => {
  const lowest = new Uint8Array(8)
  const highest = new Uint8Array(8).fill(0xff)

  test('the lower tie breaker wins: theirs, and our call waits for their connection', () => {
    const trace = new L2tpTrace()
    call(trace)
    trace.fresh()
    expect(trace.say('SCCRQ', { ...sccrq, tieBreaker: lowest })).toEqual(['SCCRP 7/0 Ns 0 Nr 1 T2'])
    expect(trace.say('SCCCN')).toEqual(['report l2tp.tunnel.established', 'ICRQ 7/0 Ns 1 Nr 2 S1'])
    expect(trace.say('ICRP', { assignedSessionId: 9 })).toContain(
      'callUp 1 request 5 T2/S1:1701 to 7/9:1701 host "client"',
    )
  })

  test.each([
    ['ours is lower', { tieBreaker: highest }],
    ['only ours is there', {}],
  ])('%s: their SCCRQ is dropped in silence', (_, extra) => {
    const trace = new L2tpTrace()
    call(trace)
    const status = trace.core.status()
    expect(trace.fresh().say('SCCRQ', { ...sccrq, ...extra })).toEqual([])
    expect(trace.core.status()).toEqual(status)
  })

  test('equal: both are void, and we try again with another', () => {
    const trace = new L2tpTrace()
    const [sent] = trace.core.handle({ on: 'call', request: 5, peer: 1, localPort: 1701, remotePort: 1701 }, trace)
    const parsed = sent?.do === 'send' ? parseMessage(sent.octets.slice(12), undefined) : undefined
    const tieBreaker = parsed?.is === 'message' ? parsed.fields.tieBreaker! : lowest
    expect(trace.fresh().say('SCCRQ', { ...sccrq, tieBreaker })).toEqual(['SCCRQ 0/0 Ns 0 Nr 0 T1'])
    expect(trace.core.status().length).toBe(1)
  })
})

describe('delivery, seen from outside', () => {
  test('messages that come early wait for their turn', () => {
    const trace = established()
    const early = { ns: 3, session: 0 }
    expect(trace.say('HELLO', {}, early)).toEqual([])
    expect(trace.say('ICRQ', icrq, { ns: 2 })).toEqual(['ICRP 7/9 Ns 1 Nr 4 S1'])
  })

  test('duplicates are acknowledged and not acted on', () => {
    const trace = called()
    expect(trace.say('ICCN', iccn, { ns: 3 })).toEqual(['ZLB 7/0 Ns 2 Nr 4'])
    expect(trace.say('ICRQ', icrq, { ns: 2 })).toEqual(['ZLB 7/0 Ns 2 Nr 4'])
  })

  test('a message beyond the window, and an Nr for what was never sent, change nothing', () => {
    const trace = called()
    expect(trace.say('HELLO', {}, { ns: 8 })).toEqual([
      'report l2tp.message.invalid: On L2TP control connection T1: sequence numbers Ns 8, Nr 2 lie outside the window.',
    ])
    expect(trace.say('HELLO', {}, { ns: 4, nr: 9 })).toEqual([
      'report l2tp.message.invalid: On L2TP control connection T1: sequence numbers Ns 4, Nr 9 lie outside the window.',
    ])
    expect(trace.say('HELLO', {}, { ns: 4, nr: 2 })).toEqual(['ZLB 7/0 Ns 2 Nr 5'])
  })

  test('a peer that asks and never listens does not fill the memory', () => {
    const trace = established({ portLimit: 0 })
    let lines: readonly string[] = []
    for (let i = 0; i < 2000 && !lines.some((line) => line.includes('peer.silent')); i++) {
      lines = trace.say('ICRQ', icrq, { nr: 1 })
    }
    expect(lines[0]).toMatch(/peer.silent/)
    expect(lines).toContain('idle 1')
  })
})
