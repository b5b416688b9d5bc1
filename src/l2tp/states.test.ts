// Every state × every event: what L2TP does, in one snapshot to read and to guard. The tables themselves (RFC 2661 §7.2.1, §7.4.1, §7.4.2) are in it too.
import { describe, expect, test } from 'vitest'
import { L2tpTrace, start } from '../../test/fakes/l2tp-trace.ts'
import { controlConnectionTable, lacTable, lnsTable } from './tables.ts'
import { type Fields, type MessageType, messageTypes } from './wire/registry.ts'

const nothing = { crc: 0, framing: 0, hardwareOverruns: 0, bufferOverruns: 0, timeOut: 0, alignment: 0 }

/** A proper message of each type, as the peer of tunnel 7 and session 9 sends it. */
const messages: Readonly<Record<MessageType, Fields>> = {
  SCCRQ: { ...start, assignedTunnelId: 7 },
  SCCRP: { ...start, assignedTunnelId: 7 },
  SCCCN: {},
  StopCCN: { assignedTunnelId: 7, resultCode: { result: 1, error: 0, text: new Uint8Array(0) } },
  HELLO: {},
  OCRQ: { assignedSessionId: 9, callSerialNumber: 1, minimumBps: 1, maximumBps: 1, bearerType: 1, framingType: 1 },
  OCRP: { assignedSessionId: 9 },
  OCCN: { txConnectSpeed: 1, framingType: 1 },
  ICRQ: { assignedSessionId: 9, callSerialNumber: 1 },
  ICRP: { assignedSessionId: 9 },
  ICCN: { txConnectSpeed: 1, framingType: 1 },
  CDN: { assignedSessionId: 9, resultCode: { result: 3, error: 0, text: new Uint8Array(0) } },
  WEN: { callErrors: nothing },
  SLI: { accm: { send: 0, receive: 0 } },
}

function call(trace: L2tpTrace) {
  trace.put({ on: 'call', request: 5, peer: 1, localPort: 1701, remotePort: 1701 })
}

/** A constructor for each state, by the role and the table that it stands in. */
const states: Readonly<Record<string, () => L2tpTrace>> = {
  'control connection: idle (none)': () => Object.assign(new L2tpTrace(), { tunnel: 99 }),
  'control connection: wait-ctl-reply, and session (LAC): wait-tunnel': () => {
    const trace = new L2tpTrace()
    call(trace)
    return trace
  },
  'control connection: wait-ctl-conn': () => {
    const trace = new L2tpTrace()
    trace.say('SCCRQ', messages.SCCRQ)
    return trace
  },
  'control connection: established, and session: idle': () => {
    const trace = new L2tpTrace()
    trace.say('SCCRQ', messages.SCCRQ)
    trace.say('SCCCN')
    return trace
  },
  'control connection: closing, by the peer': () => {
    const trace = new L2tpTrace()
    trace.say('SCCRQ', messages.SCCRQ)
    trace.say('SCCCN')
    trace.say('StopCCN', messages.StopCCN)
    return trace
  },
  'control connection: closing, by us': () => {
    const trace = new L2tpTrace()
    trace.say('SCCRQ', messages.SCCRQ)
    trace.say('SCCCN')
    trace.put({ on: 'shutdown', text: '' })
    trace.nr = 1
    return trace
  },
  'session (LNS): wait-connect': () => {
    const trace = new L2tpTrace()
    trace.say('SCCRQ', messages.SCCRQ)
    trace.say('SCCCN')
    trace.say('ICRQ', messages.ICRQ)
    return trace
  },
  'session (LNS): established': () => {
    const trace = new L2tpTrace()
    trace.say('SCCRQ', messages.SCCRQ)
    trace.say('SCCCN')
    trace.say('ICRQ', messages.ICRQ)
    trace.say('ICCN', messages.ICCN)
    return trace
  },
  'session (LAC): wait-reply': () => {
    const trace = new L2tpTrace()
    call(trace)
    trace.say('SCCRP', messages.SCCRP, { session: 0 })
    trace.ack()
    return trace
  },
  'session (LAC): established': () => {
    const trace = new L2tpTrace()
    call(trace)
    trace.say('SCCRP', messages.SCCRP, { session: 0 })
    trace.say('ICRP', messages.ICRP)
    trace.ack()
    return trace
  },
}

type Event = readonly [name: string, happen: (trace: L2tpTrace) => readonly string[]]

const received: readonly Event[] = (Object.keys(messageTypes) as MessageType[]).map((type) => [
  `Receive ${type}`,
  // SCCRQ with the tunnel's ID is one on this connection; with 0 it would be another.
  (trace) => trace.say(type, messages[type], { tunnel: trace.tunnel, ns: trace.ns, nr: trace.nr }),
])

const events: readonly Event[] = [
  ...received,
  ['Receive ZLB', (trace) => trace.ack()],
  ['call', (trace) => trace.put({ on: 'call', request: 6, peer: 1, localPort: 1701, remotePort: 1701 })],
  ['hangUp', (trace) => trace.put({ on: 'hangUp', call: 1, result: 3, error: 0, text: 'enough' })],
  ['heard', (trace) => trace.put({ on: 'heard', peers: [1] })],
  ['tick, too early', (trace) => trace.put({ on: 'tick' })],
  ['policy', (trace) => trace.put({ on: 'policy', policy: trace.policy })],
  ['peerGone', (trace) => trace.put({ on: 'peerGone', peer: 1 })],
  ['shutdown', (trace) => trace.put({ on: 'shutdown', text: 'reboot' })],
]

describe.each(Object.entries(states))('%s', (_, make) => {
  test.each(events)('%s', (_, happen) => {
    const trace = make()
    const lines = happen(trace)
    const after = trace.core
      .status()
      .map(({ remoteTunnel, state, calls }) => `= ${remoteTunnel} ${state}, calls [${calls}]`)
    expect([...lines, ...after]).toMatchSnapshot()
  })

  test('comes to an end by itself where nobody says anything more', () => {
    const trace = make()
    trace.pass(600)
    expect(trace.core.status()).toEqual([])
    expect(trace.core.deadline).toBe(undefined)
  })
})

type AnyTable = Readonly<
  Record<string, Readonly<Record<string, { readonly actions: readonly string[]; readonly next: string }>>>
>

test('the tables', () => {
  const tables: Readonly<Record<string, AnyTable>> = {
    'control connection, §7.2.1': controlConnectionTable,
    'incoming call, LAC, §7.4.1': lacTable,
    'incoming call, LNS, §7.4.2': lnsTable,
  }
  const lines = Object.entries(tables).flatMap(([title, table]) => [
    `${title}:`,
    ...Object.entries(table).flatMap(([state, rows]) =>
      Object.entries(rows).map(([event, { actions, next }]) => `${state} | ${event} | ${actions.join(', ')} | ${next}`),
    ),
  ])
  expect(lines).toMatchSnapshot()
})
