// Two gateways that prove themselves by certificates, as their sites say: whole cores over a simulated network, in virtual time.
import { expect, test } from 'vitest'
import { authority, certify, noon } from '../../test/fakes/authority.ts'
import { World } from '../../test/fakes/platform.ts'
import { parseConfiguration } from '../config/parse.ts'
import { Judge } from '../pki/judge.ts'
import { Revocation } from '../pki/revocation.ts'
import { createGateway, type Gateway } from './gateway.ts'

const [east, west] = ['192.0.2.1', '198.51.100.2']
const nothing = () => {
  throw new Error('nothing is asked here')
}

/** `authentication` as it is written; `FILE` of an issued one is its certificate and key. */
function configurationOf(peer: string, networks: readonly [string, string], authentication: string, files: Files) {
  const [ours, theirs] = networks
  const outcome = parseConfiguration(
    `
remoteAccess: { preSharedKey: correct horse battery staple, addressPool: 10.99.0.10-10.99.0.13 }
users: [{ name: alice, password: wonderland }]
sites:
  - { name: other, peer: ${peer}, localNetworks: ${ours}, remoteNetworks: ${theirs}, ike: aes256-sha256-modp2048, start: at-once, authentication: ${authentication} }
`,
    (path) => files[path]!,
  )
  if (outcome.is === 'faulty') throw new Error(outcome.faults.map(({ message }) => message).join('\n'))
  return outcome.configuration
}

type Files = Readonly<Record<string, string>>

const byCertificate =
  '{ certificates: { authorities: { file: ca }, certificate: { file: own }, key: { file: key }, revocation: off } }'
const byKey = '{ preSharedKey: a long and random one }'

const clock = () => noon
const root = authority()
const eastOwn = certify('CN=east', { altNames: [east] }, root)
const westOwn = certify('CN=west', { altNames: [west] }, root)
const logs: (() => string[])[] = []

/** East with what its site says, and west with its; both begin at once. */
async function joined(world: World, first: string, second: string, secondOwn = westOwn): Promise<Gateway[]> {
  logs.length = 0
  const ends = [
    { at: east, peer: west, networks: ['10.1.0.0/16', '10.2.0.0/16'], said: first, own: eastOwn },
    { at: west, peer: east, networks: ['10.2.0.0/16', '10.1.0.0/16'], said: second, own: secondOwn },
  ] as const
  const gateways: Gateway[] = []
  for (const { at, peer, networks, said, own } of ends) {
    const machine = world.machine(at)
    const judge = new Judge(new Revocation({ http: nothing, file: nothing, now: clock }), clock)
    const certificates = { configure: judge.configure.bind(judge), work: judge.work.bind(judge) }
    const files = { ca: root.pem, own: own.pem, key: own.keyPem }
    const configuration = configurationOf(peer, networks, said, files)
    gateways.push(await world.of(createGateway(Object.assign(machine, { certificates }), configuration)))
    logs.push(() => machine.records.map(({ sentence }) => sentence))
  }
  await world.run(20_000)
  return gateways
}

const states = (gateways: readonly Gateway[]) => gateways.map((one) => one.status().sites[0]?.state)
const identities = (gateways: readonly Gateway[]) =>
  gateways.map((one) => one.status().ikeSas.flatMap(({ identity }) => identity ?? [])[0])

test('by certificates: each is the address that was meant', async () => {
  const gateways = await joined(new World(), byCertificate, byCertificate)
  expect(states(gateways)).toEqual(['up', 'up'])
  expect(identities(gateways)).toEqual(['CN=west', 'CN=east'])
})

test('whoever has another certificate of the same authority is not the site', async () => {
  const client = certify('CN=alice', { altNames: ['alice.example.org'] }, root)
  const gateways = await joined(new World(), byCertificate, byCertificate, client)
  expect(states(gateways)).toEqual(['down', 'down'])
  expect(logs[0]!().join('\n')).toMatch(
    /the certificate of CN=alice does not speak for 198\.51\.100\.2, which was meant/,
  )
  expect(logs[1]!().join('\n')).toMatch(/refused our certificate \(it said INVALID-ID-INFORMATION\)/)
})

test('unless it is said which one is meant', async () => {
  const client = certify('CN=alice', { altNames: ['alice.example.org'] }, root)
  const named = byCertificate.replace('revocation', 'identity: alice.example.org, revocation')
  expect(states(await joined(new World(), named, byCertificate, client))).toEqual(['up', 'up'])
  const any = byCertificate.replace('revocation', 'identity: any, revocation')
  expect(states(await joined(new World(), any, byCertificate, client))).toEqual(['up', 'up'])
})

test('methods in order: what the peer has not is passed over', async () => {
  const gateways = await joined(new World(), `[${byCertificate}, ${byKey}]`, byKey)
  expect(states(gateways)).toEqual(['up', 'up'])
  expect(identities(gateways)).toEqual([west, east])
})

test('methods in order: of two that both have the first of whoever is asked', async () => {
  const gateways = await joined(new World(), `[${byKey}, ${byCertificate}]`, `[${byKey}, ${byCertificate}]`)
  expect(identities(gateways)).toEqual([west, east])
})
