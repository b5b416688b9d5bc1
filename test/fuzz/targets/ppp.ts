// PPP and what authenticates in it: packets, options, MS-CHAP's texts, and a whole link in either role.
import { parseChap } from '../../../src/auth/wire/chap.ts'
import {
  parseMschapFailure,
  parseMschapResponse,
  parseMschapv2Response,
  parseMschapv2Success,
} from '../../../src/auth/wire/mschap.ts'
import { parsePap } from '../../../src/auth/wire/pap.ts'
import type { AuthKind, PppInput } from '../../../src/ppp/contract.ts'
import { PppLink } from '../../../src/ppp/link.ts'
import { readTerminateReason } from '../../../src/ppp/terminate-reason.ts'
import { emitControl, LCP_CODES, NCP_CODES, parseControl } from '../../../src/ppp/wire/control.ts'
import { Secret } from '../../../src/wire/secret.ts'
import { captureOctets, hasCapture } from '../../captures.ts'
import { hexVectors } from '../../vectors.ts'
import type { FuzzRandom } from '../random.ts'
import { demand, parser, type Target, texts } from '../target.ts'

const malformed = ['heapoverflow-ppp_hdlc_if_print', 'mlppp-oobr', 'ppp-invalid-lengths'].map(
  (name) => `malformed/${name}.pcap`,
)

/** Frames: protocol number, packet. */
function frames(): readonly Uint8Array[] {
  const known = hexVectors('ppp').map(({ octets }) => octets)
  const broken = malformed.filter(hasCapture).map((path) => captureOctets(path).slice(40, 1500))
  // CHAP Response of MS-CHAPv2, PAP request, LCP Echo-Request, IPCP Configure-Ack and IPv4.
  const more = [
    `c22302010040${'31'}${'aa'.repeat(16)}${'00'.repeat(8)}${'bb'.repeat(24)}00616c696365`,
    'c0230101000f05616c69636504706173730a',
    'c0210902000811223344',
    '80210201000a03060a630001',
    'c02102010008010405dc',
    '0021450000140000000040110000c0a80001c0a80002',
  ].map((text) => Uint8Array.from(Buffer.from(text, 'hex')))
  return [...known, ...more, ...broken]
}

const packets = () => frames().map((frame) => frame.slice(2))

function packet(known: number) {
  return (octets: Uint8Array): string => {
    const parsed = parseControl(octets, known)
    demand(
      JSON.stringify(parseControl(emitControl(parsed), known)) === JSON.stringify(parsed),
      'a packet is built anew',
    )
    return 'options' in parsed ? `${parsed.is} ${parsed.options.map(({ type }) => type).join(' ')}` : parsed.is
  }
}

const kinds: readonly AuthKind[] = ['mschapv2', 'mschap', 'chap', 'pap']

function link(role: 'server' | 'client'): Target {
  return {
    name: `ppp link, ${role}`,
    weight: 3,
    episode: 64,
    corpus: frames,
    begin: (random) => {
      const one = new Line(role, random)
      return (octets) => one.feed(octets)
    },
  }
}

/** What an honest peer asks for: LCP, then addresses, and who it is. */
const honest = [
  'c021010100080506aabbccdd',
  '80210101000a030600000000',
  '80210101000a03060a63000a',
  'c0230101000f05616c69636504706173730a',
].map((text) => Uint8Array.from(Buffer.from(text, 'hex')))

/** A link with its world: attempts are judged at once, addresses given. A link that is over is followed by a fresh one. */
class Line {
  #link: PppLink
  readonly #role: 'server' | 'client'
  readonly #random: FuzzRandom
  #now = 0
  /** The identifier that our last Configure-Request had: answers to it count. */
  #asked: Uint8Array | undefined
  #over = false

  constructor(role: 'server' | 'client', random: FuzzRandom) {
    this.#random = random
    this.#role = role
    this.#link = this.#fresh()
  }

  #fresh(): PppLink {
    const [role, random] = [this.#role, this.#random]
    this.#over = false
    this.#link = new PppLink({
      role,
      authentication: kinds.slice(random.below(kinds.length)),
      name: 'gw1',
      credentials: role === 'client' ? { user: 'alice', password: new Secret('wonderland') } : undefined,
      mru: 1400,
      echo: { idleSeconds: 30, intervalSeconds: 10, tries: 4 },
      restart: { ms: 3000, maxConfigure: 10, maxTerminate: 2, maxFailure: 5 },
      authSeconds: 60,
      authTries: 3,
      ipv6: random.chance(0.5),
    })
    this.#handle({ on: 'up' })
    return this.#link
  }

  feed(octets: Uint8Array): string {
    if (octets.length < 2) return ''
    if (this.#over) this.#fresh()
    // Now and then the peer agrees to all that we asked, or asks honestly itself, so that the link gets on.
    if (this.#asked && this.#random.chance(0.3)) this.#agree(this.#asked)
    if (this.#random.chance(0.2)) this.#receive(this.#random.pick(honest))
    if (this.#over) return 'over'
    const outcome = this.#receive(octets)
    if (this.#random.chance(0.05)) this.#pass(this.#random.below(10_000))
    return `${outcome} ${this.#link.status().phase}`
  }

  #agree(asked: Uint8Array): void {
    this.#asked = undefined
    const answer = asked.slice()
    answer[2] = 2
    this.#receive(answer)
  }

  #receive(frame: Uint8Array): string {
    if (this.#over) return 'over'
    return this.#handle({ on: 'frame', protocol: (frame[0]! << 8) | frame[1]!, payload: frame.slice(2) })
  }

  #handle(first: PppInput): string {
    const words: string[] = []
    const queue: PppInput[] = [first]
    for (let i = 0; i < queue.length; i++) {
      demand(i < 200, 'one input leads to an end')
      const effects = this.#link.handle(queue[i]!, { now: this.#now, random: this.#random })
      demand(effects.length < 200, 'one input has few effects')
      for (const effect of effects) {
        words.push(effect.do === 'report' ? effect.event.event : effect.do)
        if (effect.do === 'finished') this.#over = true
        if (effect.do === 'send' && effect.payload[0] === 1)
          this.#asked = Uint8Array.of(effect.protocol >>> 8, effect.protocol & 0xff, ...effect.payload)
        if (effect.do === 'verify') {
          const verdict = this.#random.chance(0.7)
            ? ({ is: 'accepted', user: 'alice', authenticatorResponse: new Uint8Array(20) } as const)
            : ({ is: 'refused', error: 691, retry: this.#random.chance(0.5), why: 'the fuzzer says so' } as const)
          queue.push({ on: 'verdict', job: effect.job, verdict })
        }
        if (effect.do === 'grant')
          queue.push({
            on: 'grant',
            job: effect.job,
            grant: {
              is: 'granted',
              ours: '10.99.0.1',
              peers: '10.99.0.10',
              dns: ['10.99.0.1'],
              nbns: [],
              interfaceId: Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 1),
              sessionSeconds: undefined,
              idleSeconds: 600,
            },
          })
      }
    }
    return [...new Set(words)].sort().join(' ')
  }

  #pass(ms: number): void {
    this.#now += ms
    for (let i = 0; !this.#over && (this.#link.deadline ?? Number.POSITIVE_INFINITY) <= this.#now; i++) {
      demand(i < 1000, 'ticks come to an end')
      this.#handle({ on: 'tick' })
    }
  }
}

const failures = () =>
  texts(
    'E=691 R=1 C=00112233445566778899aabbccddeeff V=3 M=Authentication failure',
    'E=648 R=0',
    `S=${'A1'.repeat(20)} M=Welcome`,
  )

export const pppTargets: readonly Target[] = [
  parser('lcp packet', packets, packet(LCP_CODES), 20),
  parser('ncp packet', packets, packet(NCP_CODES), 20),
  parser('ppp terminate data', packets, (octets) => JSON.stringify(readTerminateReason(octets)).slice(0, 40), 3),
  parser('chap packet', packets, (octets) => Object.values(parseChap(octets))[0]?.toString() ?? '', 8),
  parser('pap packet', packets, (octets) => Object.values(parsePap(octets))[0]?.toString() ?? '', 8),
  parser(
    'ms-chap response',
    () => [new Uint8Array(49).fill(1)],
    (octets) => `${parseMschapResponse(octets).useNt} ${parseMschapv2Response(octets).ntResponse.length}`,
    3,
  ),
  parser(
    'ms-chap texts',
    failures,
    (octets) => `${parseMschapFailure(octets)?.error} ${parseMschapv2Success(octets)?.length}`,
    4,
  ),
  link('server'),
  link('client'),
]
