// Every client of which first packets are known, replayed from that packet to its quick mode: what it is recognised as, what is chosen for it, which
// vendor ids go back, which quirks apply, and the pair that comes of it. The least `security` that takes it in is found by trying.
import { describe, expect, test } from 'vitest'
import { disabledAt, proposalsFor, type SecurityLevel } from '../../src/algorithms/levels.ts'
import { showEspProposal } from '../../src/algorithms/proposals.ts'
import type { IkeEffect, IkePolicy } from '../../src/ike/contract.ts'
import { IkeCore } from '../../src/ike/core.ts'
import { recognise, vendorsOf } from '../../src/ike/fingerprint.ts'
import { quirksOf } from '../../src/ike/quirks.ts'
import { parseChain } from '../../src/ike/wire/chain.ts'
import { parseHeader } from '../../src/ike/wire/header.ts'
import { payloadType } from '../../src/ike/wire/numbers.ts'
import type { Payload } from '../../src/ike/wire/payloads.ts'
import { hex } from '../../src/wire/codec.ts'
import { type Habits, ScriptedClient } from '../fakes/scripted-client.ts'
import { ikePolicy } from '../scenarios/ike-host.ts'
import { hexVector } from '../vectors.ts'
import { dialled, ownAddress, quickModeBody, quickModes } from './quick-modes.ts'

const server = { address: dialled, port: 500 }
const outside = { address: '203.0.113.9', port: 500 }
const levels: readonly SecurityLevel[] = ['modern', 'compatible', 'legacy']

function gateway(level: SecurityLevel, more: Partial<IkePolicy> = {}): IkeCore {
  return new IkeCore(ikePolicy({ key: 'secret', ...proposalsFor(level), disabled: disabledAt(level), ...more }))
}

const behindNat: Habits = { ownAddress, natD: payloadType['NAT-D'] }
const behindOldNat: Habits = { ownAddress, natD: payloadType['NAT-D (draft)'] }
const vector = (name: string) => hexVector(`ike/quick-mode/qm-${name}`)

/** First packet, what the client does in main mode, its first quick mode with the message id that it uses. */
type Client = readonly [first: string, habits: Habits, messageId: number, quick: Uint8Array]

const clients: readonly Client[] = [
  ['win8-win11-psk', behindNat, 1, vector('win10-nat')],
  ['win8-win11-psk', { natD: payloadType['NAT-D'] }, 1, vector('win10-nonat')],
  ['win7-2008r2-psk', behindNat, 1, quickModeBody(quickModes['windows 7'])],
  ['vista-2008-psk', behindNat, 1, quickModeBody(quickModes['vista beta'])],
  ['winxp-sp2-2003-psk', behindOldNat, 0x1234, vector('winxp-nat-draft02')],
  ['winxp-sp2-2003-psk', behindOldNat, 0x1235, vector('winxp-fqdn-idci')],
  ['win2000-sp4-psk', {}, 0x77, vector('win2000-port0')],
  ['win2000-kb818043-psk', behindOldNat, 0x78, quickModeBody(quickModes['windows 2000 with NAT-T'])],
  ['msl2tp-98-me-nt4', {}, 0x79, quickModeBody(quickModes.msl2tp)],
  ['macos-ios-current-psk', behindNat, 0x4711, vector('macos-nat')],
  ['macosx-10.4-10.8-psk', behindNat, 0x4712, quickModeBody(quickModes['mac os x'])],
  ['android-2-4.0-psk', behindNat, 0xdead, vector('android4-nat')],
  ['android-4-6-psk', behindNat, 0xdeadbeef, vector('android4-nat')],
  ['android-6-7-psk', behindNat, 0xdeadbee0, quickModeBody(quickModes['android 6'])],
  ['android-8-11-psk', behindNat, 0xdeadbee1, quickModeBody(quickModes['android 6'])],
  ['nm-l2tp-strongswan', behindNat, 0xaaaa, quickModeBody(quickModes.networkmanager)],
  ['nm-l2tp-strongswan-3des', behindNat, 0xaaab, quickModeBody(quickModes.networkmanager)],
  ['nm-l2tp-strongswan-3des-plus-default', behindNat, 0xaaac, quickModeBody(quickModes.networkmanager)],
  ['chromeos-old', behindNat, 0xaaad, quickModeBody(quickModes.networkmanager)],
  ['libreswan-l2tp', behindNat, 0xbbbb, quickModeBody(quickModes.libreswan)],
  ['mikrotik-ros6-default', behindNat, 0xcccc, quickModeBody(quickModes.mikrotik)],
  ['draytek-vigor', {}, 0xdddd, quickModeBody(quickModes.draytek)],
  ['tplink-router', {}, 0xeeee, quickModeBody(quickModes.router)],
  ['cisco-ios-psk', {}, 0xffff, quickModeBody(quickModes.cisco)],
]

const firstPacket = (name: string) => hexVector(`ike/first-packets/${name}`)

function payloadsOf(octets: Uint8Array) {
  const { header, body } = parseHeader(octets)
  return parseChain(header.next, body, 'clear').payloads
}

const installed = (effects: readonly IkeEffect[]) => effects.find((effect) => effect.do === 'install')

function refusals(effects: readonly IkeEffect[]): string {
  return effects
    .flatMap((effect) =>
      effect.do === 'report' && effect.event.event === 'ike.negotiation.refused'
        ? [`${effect.event.cause} (${effect.event.userSees})`]
        : [],
    )
    .join(', ')
}

/** Whether the first packet is refused under this `security`. */
function refusedAt(level: SecurityLevel, [first]: Client): boolean {
  const mm2 = new ScriptedClient(gateway(level), { local: server, remote: outside }).say(firstPacket(first))
  return !mm2 || payloadsOf(mm2)[0]?.is !== 'SA'
}

/** Main mode and quick mode under this `security`; undefined where it is refused. */
function replay(level: SecurityLevel, [first, habits, messageId, quick]: Client) {
  const one = new ScriptedClient(gateway(level), { local: server, remote: outside })
  const octets = firstPacket(first)
  const [answer] = one.mainMode(octets, habits)
  const qm2 = one.quickMode(messageId, withHashOf(one, quick))
  const pair = installed(one.effects)?.pair
  const [status] = one.core.status()
  if (!qm2 || !pair || !status) return undefined
  return { answer: answer!, qm2, pair, status }
}

/** The bodies have a zeroed HASH of some length; this SA’s hash may have another. */
function withHashOf(one: ScriptedClient, plain: Uint8Array): Uint8Array {
  const wanted = one.keys!.skeyid.length
  const given = ((plain[2]! << 8) | plain[3]!) - 4
  return new Uint8Array([plain[0]!, 0, 0, 4 + wanted, ...new Uint8Array(wanted), ...plain.subarray(4 + given)])
}

function row(client: Client): string {
  const level = levels.find((one) => !refusedAt(one, client))
  const replayed = level && replay(level, client)
  if (!level || !replayed) return `${client[0]}: refused everywhere`
  const { answer, qm2, pair, status } = replayed
  const sent = parseChain(payloadType.HASH, client[3], 'decrypted').payloads.filter(({ is }) => is === 'ID')
  const ids = (payloads: readonly Payload[]) => payloads.flatMap(({ is, body }) => (is === 'ID' ? [hex(body)] : []))
  // Its IDs come back octet for octet.
  expect([client[0], ids(qm2)]).toEqual([client[0], ids(sent)])
  const recognised = recognise(payloadsOf(firstPacket(client[0])))
  expect([status.software, status.client]).toEqual([recognised.software, recognised.kind])
  const vendors = vendorsOf(answer).map(({ name, rest }) => (rest.length > 0 ? `${name} ${hex(rest)}` : name))
  const esp = `${showEspProposal(pair.proposal)}${pair.encapsulated ? ' in UDP' : ''}`
  return [
    client[0],
    recognised.software,
    level,
    status.proposal,
    vendors.join(' + ') || 'no vendor ids',
    `${esp}, ports ${pair.ports.remote} to ${pair.ports.local}, ${qm2.map(({ is }) => is).join(' ')}`,
    quirksOf({ client: recognised.kind, software: recognised.software }).join(' + ') || 'no quirks',
  ].join(' | ')
}

describe('each client of the list, from its first packet to its quick mode', () => {
  // One test each, so that a slow machine has time for each.
  const rows = new Map<Client, string>()
  for (const [i, client] of clients.entries())
    test(`${i + 1} ${client[0]}`, () => {
      rows.set(client, row(client))
      expect(rows.get(client)).not.toContain('refused everywhere')
    })

  test('what it is, what is chosen, what it needs; its IDs come back octet for octet', () => {
    expect(clients.map((client) => rows.get(client) ?? row(client))).toMatchSnapshot()
  })

  test('certificates without a certificate of ours: refused by the method, with the number that Windows shows', () => {
    const one = new ScriptedClient(gateway('legacy'), { local: server, remote: outside })
    one.say(firstPacket('win8-win11-cert'))
    expect(refusals(one.effects)).toBe('authentication method (789)')
  })
})

describe('messages of other exchanges', () => {
  const other = (name: string) => hexVector(`ike/other-exchanges/${name}`)
  const hear = (octets: Uint8Array) => {
    const one = new ScriptedClient(gateway('legacy'), { local: server, remote: outside })
    const answer = one.say(octets)
    const reports = one.effects.flatMap((effect) => (effect.do === 'report' ? [effect.event.event] : []))
    return { answer: answer && payloadsOf(answer).map(({ is }) => is), reports, sas: one.core.status().length }
  }

  test('AuthIP beside IKE (Windows) is told once and makes nothing', () => {
    expect(hear(other('windows-authip'))).toEqual({ answer: ['N'], reports: ['ike.message.invalid'], sas: 0 })
  })
})
