// What reads text, and octets that don't come from the network: they must not break on anything either.
import {
  parseEspProposal,
  parseIkeProposal,
  showEspProposal,
  showIkeProposal,
} from '../../../src/algorithms/proposals.ts'
import { groupNames, groups } from '../../../src/algorithms/registry.ts'
import { parseConfiguration } from '../../../src/config/parse.ts'
import { Lines, parseRequest } from '../../../src/control/protocol.ts'
import { publicValueFault } from '../../../src/crypto/dh.ts'
import { decodeEvents } from '../../../src/platform/native-codec.ts'
import { addressOctets, addressText, ipv6Octets } from '../../../src/wire/address.ts'
import { equal, printable, unhex } from '../../../src/wire/codec.ts'
import { demand, parser, type Target, text, texts } from '../target.ts'

function proposals(octets: Uint8Array): string {
  const [ike, esp] = [parseIkeProposal(text(octets)), parseEspProposal(text(octets))]
  if (ike.is === 'proposal') demand(parseIkeProposal(showIkeProposal(ike.proposal)).is === 'proposal', 'shown and read')
  if (esp.is === 'proposal') demand(parseEspProposal(showEspProposal(esp.proposal)).is === 'proposal', 'shown and read')
  return `${ike.is} ${esp.is}`
}

function addresses(octets: Uint8Array): string {
  const parsed = addressOctets(text(octets))
  if (parsed) demand(equal(addressOctets(addressText(parsed))!, parsed), 'an address is shown and read')
  return `${parsed?.length} ${ipv6Octets(text(octets))?.length}`
}

function escaped(octets: Uint8Array): string {
  const shown = printable(octets, 32)
  demand(/^[\x20-\x7e]*…?$/.test(shown), 'shown text is printable ASCII')
  return String(shown.length)
}

function request(octets: Uint8Array): string {
  const lines = new Lines(10_000)
  const results = lines.push(text(octets)).concat(text(octets)).map(parseRequest)
  return results.map((result) => (typeof result === 'string' ? result : result.ask)).join(' ')
}

const configurations = () =>
  texts(
    `remoteAccess:
  preSharedKey: correct horse battery staple
  addressPool: 10.99.0.10-10.99.0.250
  dns: [10.99.0.1]
  ike: [aes256-sha1-modp2048, 3des-sha1-modp1024]
  authentication: [mschapv2, chap]
users:
  - { name: alice, password: wonderland, address: 10.99.0.20, enabled: true }
`,
    `hostname: gw1
dataplane: auto
listen: [192.0.2.1]
security: legacy
remoteAccess: { preSharedKey: { file: key }, addressPool: 10.99.0.10-10.99.0.250, lifetimes: { ike: 8h, esp: 1h, data: 250MB } }
users: &all
  - name: bob
    ntHash: 8846f7eaee8fb117ad06bdd830b7586c
    hours: [mon-fri 08:00-18:00]
`,
  )

function configuration(octets: Uint8Array): string {
  const outcome = parseConfiguration(text(octets), () => 'a secret from a file')
  if (outcome.is === 'valid') return 'valid'
  return outcome.faults
    .map(({ message }) => message.replace(/[0-9"“].*/, ''))
    .slice(0, 2)
    .join(' ')
}

export const textTargets: readonly Target[] = [
  parser(
    'proposal string',
    () => texts('aes256-sha1-modp2048', 'aes128gcm16', '3des-md5', 'aes128-sha256_96-ecp256'),
    proposals,
    4,
  ),
  parser('address', () => texts('192.0.2.1', '2001:db8::1', '::ffff:192.0.2.1', 'fe80::1:2:3:4'), addresses, 4),
  parser(
    'hex',
    () => texts('00:11:22 aa', 'c0de'),
    (octets) => String(unhex(text(octets)).length),
    2,
  ),
  parser('printable', () => texts('plain', 'tab\tnew\nline'), escaped, 2),
  parser(
    'control request',
    () => texts('{"id":1,"ask":"status"}\n', '{"id":2,"ask":"disconnect","target":"alice"}'),
    request,
    4,
  ),
  parser('configuration', configurations, configuration, 0.3),
  parser(
    'fast path events',
    () => [
      Uint8Array.from(Buffer.from(`0000001a0100000000${'04c000020101f4'}${'04c633640101f4'}0102030405`, 'hex')),
      Uint8Array.from(Buffer.from('0000000c020000000106a506a5c802000c', 'hex')),
      Uint8Array.from(Buffer.from('0000000b0300000001c02101010004', 'hex')),
    ],
    (octets) =>
      decodeEvents(octets)
        .map(({ on }) => on)
        .join(' '),
    6,
  ),
  parser(
    'public value',
    () => groupNames.map((name) => new Uint8Array(groups[name].publicOctets).fill(0x7f)),
    (octets) => groupNames.map((name) => publicValueFault(name, octets)?.replace(/\d+/g, '') ?? 'good').join(';'),
    0.5,
  ),
]
