// One PPP link on a bench: a test gives it frames as hex and reads as hex what it sends.

import type { AuthVerdict } from '../../src/auth/contract.ts'
import type { NetworkGrant, PppEffect, PppInput, PppPolicy } from '../../src/ppp/contract.ts'
import { PppLink } from '../../src/ppp/link.ts'
import { emitControl, LCP_CODES, NCP_CODES, parseControl } from '../../src/ppp/wire/control.ts'
import { PROTOCOL } from '../../src/ppp/wire/protocols.ts'
import { hex, unhex } from '../../src/wire/codec.ts'
import type { Instant, Random } from '../../src/wire/machine.ts'
import { grant, serverPolicy } from './ppp-pair.ts'

/** Effects as a test reads them: frames as `c021 0101…`, all else as it is. */
export type Seen = string | Exclude<PppEffect, { do: 'send' }>

/** Each call gives the next number, repeated: magic numbers are 01010101, 02020202 … */
export class Counting implements Random {
  #next = 0
  octets(length: number): Uint8Array {
    this.#next = (this.#next % 255) + 1
    return new Uint8Array(length).fill(this.#next)
  }
}

export class LinkBench {
  now: Instant = 0
  random: Random = new Counting()
  readonly link: PppLink

  constructor(policy: Partial<PppPolicy> = {}) {
    this.link = new PppLink({ ...serverPolicy, ipv6: false, ...policy })
  }

  give(input: PppInput): Seen[] {
    return this.link
      .handle(input, this)
      .map((effect) =>
        effect.do === 'send' ? `${effect.protocol.toString(16).padStart(4, '0')} ${hex(effect.payload)}` : effect,
      )
  }

  /** A frame as hex: protocol and payload. */
  recv(frame: string): Seen[] {
    const octets = unhex(frame)
    return this.give({ on: 'frame', protocol: (octets[0]! << 8) | octets[1]!, payload: octets.subarray(2) })
  }

  /** Lets time pass, ticking whenever something is due; returns all that happened. */
  wait(ms: number): Seen[] {
    const end = this.now + ms
    const seen: Seen[] = []
    for (let due = this.link.deadline; due !== undefined && due <= end; due = this.link.deadline) {
      this.now = Math.max(this.now, due)
      seen.push(...this.give({ on: 'tick' }))
    }
    this.now = end
    return seen
  }

  verdict(job: number, verdict: AuthVerdict): Seen[] {
    return this.give({ on: 'verdict', job, verdict })
  }

  grant(job: number, given: NetworkGrant = grant): Seen[] {
    return this.give({ on: 'grant', job, grant: given })
  }

  /** Answers our last request of the protocol in `seen` with an Ack. */
  ack(seen: readonly Seen[], protocol: number = PROTOCOL.lcp): Seen[] {
    const prefix = `${protocol.toString(16)} 01`
    const request = seen.findLast((one): one is string => typeof one === 'string' && one.startsWith(prefix))!
    const packet = parseControl(unhex(request).subarray(2), protocol === PROTOCOL.lcp ? LCP_CODES : NCP_CODES)
    if (packet.is !== 'Configure-Request') throw new Error(`no request in ${request}`)
    return this.recv(`${protocol.toString(16)}${hex(emitControl({ ...packet, is: 'Configure-Ack' }))}`)
  }
}

/** A server that has got as far as the name says, with PAP for brevity, and the peer's MRU at its default. */
export function serverIn(phase: 'dead' | 'establish' | 'authenticate' | 'granting' | 'network' | 'terminate' | 'over') {
  const bench = new LinkBench({ authentication: ['pap'] })
  const steps = ['dead', 'establish', 'authenticate', 'granting', 'network', 'terminate', 'over'].indexOf(phase)
  if (steps < 1) return bench
  const request = bench.give({ on: 'up' })
  if (steps < 2) return bench
  bench.recv('c021 01010004')
  bench.ack(request)
  if (steps < 3) return bench
  bench.recv('c023 01070010 05 616c696365 05 6172626f72')
  bench.verdict(1, { is: 'accepted', user: 'alice', authenticatorResponse: undefined })
  if (steps < 4) return bench
  const ipcp = bench.grant(2)
  bench.recv('8021 0101000a 03060a63000a')
  bench.ack(ipcp, PROTOCOL.ipcp)
  if (steps < 5) return bench
  bench.give({ on: 'close', reason: 'maintenance' })
  if (steps < 6) return bench
  bench.give({ on: 'down' })
  return bench
}
