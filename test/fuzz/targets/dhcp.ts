// DHCPINFORM from a client of ours: packets, messages, and the answer to a message in a packet whose checksums are right.
import { answerInform } from '../../../src/dhcp/inform.ts'
import { emitDatagram, parseDatagram } from '../../../src/dhcp/wire/datagram.ts'
import { emitDhcp, parseDhcp } from '../../../src/dhcp/wire/message.ts'
import { hexVector } from '../../vectors.ts'
import { demand, parser, type Target } from '../target.ts'

const packets = () => [hexVector('dhcp/dhcpinform-apple')]
const messages = () => packets().map((packet) => parseDatagram(packet).payload.slice())

const settings = {
  client: '10.0.0.5',
  server: '10.0.0.1',
  dns: ['10.0.0.1'],
  domain: 'example.net',
  routes: [{ address: '10.1.0.0', prefix: 16 }],
}

function message(octets: Uint8Array): string {
  const parsed = parseDhcp(octets)
  const again = parseDhcp(emitDhcp(parsed))
  demand(
    [...again.options.keys()].join() === [...parsed.options.keys()].join(),
    'a message is built anew with the same options',
  )
  return [...parsed.options.keys()].slice(0, 8).join(' ')
}

function answer(octets: Uint8Array): string {
  const from = { address: settings.client, port: 68 }
  const packet = emitDatagram({ from, to: { address: '255.255.255.255', port: 67 }, payload: octets })
  const answered = answerInform(packet, settings)
  if (answered) demand(parseDatagram(answered).to.address === settings.client, 'the answer goes to the client')
  if (answered) demand(answered.length <= 1400, 'the answer fits the link')
  return answered ? `answer of ${answered.length >>> 4}` : 'none'
}

export const dhcpTargets: readonly Target[] = [
  parser('dhcp datagram', packets, (octets) => String(parseDatagram(octets).payload.length >>> 5), 3),
  parser('dhcp message', messages, message, 6),
  parser('dhcp answer', messages, answer, 6),
]
