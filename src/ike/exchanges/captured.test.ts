// A captured negotiation between two strongSwans (RUB-NDS/ikev1-psk-main-mode-dict-attacker), played to our responder with the other one's random
// numbers: what we answer must be what it answered, octet for octet, wherever IKE leaves no choice.
import { expect, test } from 'vitest'
import { ikePolicy } from '../../../test/scenarios/ike-host.ts'
import { jsonVector } from '../../../test/vectors.ts'
import { hex, unhex } from '../../wire/codec.ts'
import type { Random } from '../../wire/machine.ts'
import { Secret } from '../../wire/secret.ts'
import type { IkeEffect, IkeInput } from '../contract.ts'
import { IkeCore } from '../core.ts'
import { parseChain } from '../wire/chain.ts'
import { parseHeader } from '../wire/header.ts'

type Negotiation = { readonly [name in 'psk' | 'cky_r' | 'gxr' | 'gxy' | 'nr']: string } & {
  readonly packets: readonly string[]
}

const [negotiation] = jsonVector<{ vectors: readonly Negotiation[] }>('ike/main-and-quick-mode').vectors
const { psk, cky_r, gxr, gxy, nr, packets } = negotiation!

test('MM4 and MM6 of a captured main mode come out of our responder octet for octet', () => {
  const core = new IkeCore(
    ikePolicy({
      ike: [{ cipher: 'aes128', hash: 'sha1', group: 'modp1024' }],
      esp: [{ cipher: 'aes128', hash: 'sha256', group: undefined }],
      preSharedKeys: [{ peer: '192.168.0.0/24', key: new Secret(psk) }],
      lifetimes: { ikeSeconds: 86_400, espSeconds: 86_400, espKilobytes: undefined },
    }),
  )
  const chosen = [unhex(cky_r), unhex(nr)]
  const random: Random = {
    octets: (length) => chosen.find((octets) => octets.length === length) ?? new Uint8Array(length).fill(5),
  }
  const path = { local: { address: '192.168.0.101', port: 500 }, remote: { address: '192.168.0.100', port: 500 } }
  const give = (input: IkeInput) => core.handle(input, { now: 0, random })
  const say = (i: number) => give({ on: 'datagram', path, octets: unhex(packets[i]!) })
  const sent = (effects: readonly IkeEffect[]) =>
    effects.flatMap((effect) => (effect.do === 'send' ? [hex(effect.octets)] : []))

  // Vendor ids apart, MM2 has the captured SA payload.
  const [mm2] = sent(say(0))
  const payloads = (octets: string) => {
    const { header, body } = parseHeader(unhex(octets))
    return parseChain(header.next, body, 'clear').payloads
  }
  expect(hex(payloads(mm2!)[0]!.body)).toBe(hex(payloads(packets[1]!)[0]!.body))

  const [work] = say(2)
  if (work?.do !== 'work') throw new Error('no work')
  const result = { is: 'exchanged', publicValue: unhex(gxr), shared: unhex(gxy) } as const
  expect(sent(give({ on: 'done', job: work.job, result }))).toEqual([packets[3]])
  expect(sent(say(4))).toEqual([packets[5]])
  expect(core.status()).toMatchObject([{ state: 'established', identity: '192.168.0.100', client: 'strongswan' }])

  // Its quick mode is authentic, and asks for tunnel mode, which L2TP has no use for.
  expect(say(6).flatMap((effect) => (effect.do === 'report' ? [effect.event] : []))).toMatchObject([
    { event: 'ike.negotiation.refused', cause: 'mode' },
  ])
})
