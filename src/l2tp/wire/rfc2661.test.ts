// What RFC 2661 §4 demands of the AVPs that we send, AVP by AVP: the M and H bits of each, and what is reserved.
import { expect, test } from 'vitest'
import { hex, unhex } from '../../wire/codec.ts'
import { emitAvps, parseAvps } from './avp.ts'
import { emitMessage } from './message.ts'
import type { Fields } from './registry.ts'

const octets = Uint8Array.of(1, 2, 3)
const every: Fields = {
  resultCode: { result: 1, error: 0, text: octets },
  protocolVersion: { version: 1, revision: 0 },
  framingCapabilities: 3,
  bearerCapabilities: 3,
  tieBreaker: new Uint8Array(8),
  firmwareRevision: 1,
  hostName: octets,
  vendorName: octets,
  assignedTunnelId: 1,
  receiveWindowSize: 4,
  challenge: octets,
  q931CauseCode: { cause: 1, message: 1, text: octets },
  challengeResponse: new Uint8Array(16),
  assignedSessionId: 1,
  callSerialNumber: 1,
  minimumBps: 1,
  maximumBps: 1,
  bearerType: 1,
  framingType: 1,
  calledNumber: octets,
  callingNumber: octets,
  subAddress: octets,
  txConnectSpeed: 1,
  physicalChannelId: 1,
  initialReceivedLcpConfreq: octets,
  lastSentLcpConfreq: octets,
  lastReceivedLcpConfreq: octets,
  proxyAuthenType: 1,
  proxyAuthenName: octets,
  proxyAuthenChallenge: octets,
  proxyAuthenId: 0xff,
  proxyAuthenResponse: octets,
  callErrors: { crc: 1, framing: 1, hardwareOverruns: 1, bufferOverruns: 1, timeOut: 1, alignment: 1 },
  accm: { send: 1, receive: 1 },
  privateGroupId: octets,
  rxConnectSpeed: 1,
  sequencingRequired: true,
  pppDisconnectCause: octets,
}

const secret = new TextEncoder().encode('s3cret')
const padding = (length: number) => new Uint8Array(length)
const randomVector = unhex('000102030405060708090a0b0c0d0e0f')

/** `1 M`, `5`, `9 M hidden`: the AVPs of a body by number. */
function bits(body: Uint8Array): readonly string[] {
  return parseAvps(body)
    .map(({ type, mandatory, hidden }) => ({
      type,
      words: `${type}${mandatory ? ' M' : ''}${hidden ? ' hidden' : ''}`,
    }))
    .sort((a, b) => a.type - b.type)
    .map(({ words }) => words)
}

// 46 is RFC 3145's, so RFC 2661 §4.2 wants it without the M bit or to be switched off. A Challenge and its Response (11, 13) may be hidden and never are.
test('RFC 2661 §4.4: the M bit of every AVP MUST be what its section says, and those that MUST NOT be hidden are not', () => {
  expect(bits(emitMessage('ICCN', every, { secret, randomVector, padding }))).toEqual(
    [
      [
        '0 M',
        '1 M',
        '2 M',
        '3 M hidden',
        '4 M hidden',
        '5',
        '6 hidden',
        '7 M',
        '8 hidden',
        '9 M hidden',
        '10 M',
        '11 M',
      ],
      ['12 M', '13 M', '14 M hidden', '15 M hidden', '16 M hidden', '17 M hidden', '18 M hidden', '19 M hidden'],
      ['21 M hidden', '22 M hidden', '23 M hidden', '24 M hidden', '25 hidden', '26 hidden', '27 hidden', '28 hidden'],
      ['29 hidden', '30 hidden', '31 hidden', '32 hidden', '33 hidden', '34 M hidden', '35 M hidden', '36 M'],
      ['37 hidden', '38 hidden', '39 M', '46 hidden'],
    ].flat(),
  )
})

test('RFC 2661 §4.3: without a shared secret no AVP has the H bit', () => {
  expect(bits(emitMessage('ICCN', every)).filter((words) => words.includes('hidden'))).toEqual([])
})

test('RFC 2661 §4.1, §6: what is reserved MUST be sent as zero: in the AVP’s header, and in the values that have room for it', () => {
  const avps = parseAvps(emitMessage('ICCN', every))
  expect(avps.filter(({ reserved }) => reserved !== 0)).toEqual([])
  const first = (type: number, length: number) => hex(avps.find((avp) => avp.type === type)!.value.slice(0, length))
  expect([first(3, 4), first(32, 2), first(34, 2), first(35, 2)]).toEqual(['00000003', '00ff', '0000', '0000'])
  expect(hex(emitAvps(avps.slice(0, 1)))).toBe('800800000000000c')
})
