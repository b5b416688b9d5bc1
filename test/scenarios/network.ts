// A network in virtual time for scenario tests: hosts, NAT boxes, loss, repeats, reordering and corruption, all from one seed, so that a failing run replays exactly.
import type { Endpoint } from '../../src/wire/address.ts'
import { showEndpoint } from '../../src/wire/address.ts'
import type { Instant, Random } from '../../src/wire/machine.ts'

/** Small and fast (sfc32); the same octets for the same seed on every machine. Not for keys. */
export class SeededRandom implements Random {
  #a: number
  #b: number
  #c: number
  #count = 1

  constructor(seed: number) {
    this.#a = seed | 0
    this.#b = 0x9e3779b9
    this.#c = 0x243f6a88
    for (let i = 0; i < 12; i++) this.next()
  }

  /** A uniform unsigned 32-bit number. */
  next(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#count++) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0
    return sum >>> 0
  }

  octets(length: number): Uint8Array {
    const octets = new Uint8Array(length)
    for (let i = 0; i < length; i++) octets[i] = this.next() >>> 24
    return octets
  }

  /** Uniform in [0, bound). */
  below(bound: number): number {
    return Math.floor((this.next() / 0x1_0000_0000) * bound)
  }

  /** True with this probability. */
  chance(probability: number): boolean {
    return this.next() < probability * 0x1_0000_0000
  }
}

/** Virtual time: actions in the order of their moments, and of their making where moments are equal. */
export class VirtualTime {
  now: Instant = 0
  #made = 0
  readonly #heap: { at: Instant; order: number; action: () => void }[] = []

  after(milliseconds: number, action: () => void): void {
    this.at(this.now + milliseconds, action)
  }

  at(moment: Instant, action: () => void): void {
    const heap = this.#heap
    heap.push({ at: Math.max(moment, this.now), order: this.#made++, action })
    let i = heap.length - 1
    while (i > 0 && before(heap[i]!, heap[(i - 1) >> 1]!)) {
      const parent = (i - 1) >> 1
      ;[heap[i], heap[parent]] = [heap[parent]!, heap[i]!]
      i = parent
    }
  }

  /** Runs what is due until `moment`, or until `done` says so. Returns whether `done` did. */
  run(moment: Instant, done: () => boolean = () => false): boolean {
    for (;;) {
      if (done()) return true
      const top = this.#heap[0]
      if (!top || top.at > moment) break
      this.#pop()
      this.now = top.at
      top.action()
    }
    this.now = Math.max(this.now, moment)
    return done()
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()!
    if (heap.length === 0) return
    heap[0] = last
    let i = 0
    for (;;) {
      let least = i
      for (const child of [2 * i + 1, 2 * i + 2])
        if (child < heap.length && before(heap[child]!, heap[least]!)) least = child
      if (least === i) return
      ;[heap[i], heap[least]] = [heap[least]!, heap[i]!]
      i = least
    }
  }
}

function before(a: { at: Instant; order: number }, b: { at: Instant; order: number }): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}

/** Each a probability for one datagram on its way; latency in milliseconds. */
export type Faults = {
  readonly loss: number
  readonly repeat: number
  readonly reorder: number
  readonly corrupt: number
  readonly latency: number
}

export const fairNetwork: Faults = { loss: 0, repeat: 0, reorder: 0, corrupt: 0, latency: 5 }
export const badNetwork: Faults = { loss: 0.2, repeat: 0.1, reorder: 0.1, corrupt: 0.02, latency: 20 }

/** UDP, or ESP as an IP protocol of its own (ports are 0 then). */
export type Datagram = {
  readonly protocol: 'udp' | 'esp'
  readonly from: Endpoint
  readonly to: Endpoint
  readonly octets: Uint8Array
}

export type Host = {
  readonly address: string
  readonly behind: Nat | undefined
  receive: (datagram: Datagram) => void
  /** Cut off: nothing arrives and nothing leaves (a client killed without a word). */
  unplugged: boolean
}

/** Rewrites source addresses and ports of the hosts behind it. */
export type Nat = {
  readonly address: string
  /** Outer port by host and inner endpoint, and back. */
  readonly out: Map<string, number>
  readonly back: Map<number, { readonly host: Host; readonly inner: Endpoint }>
  readonly hosts: Host[]
  nextPort: number
  /** Forwards for a 1:1 NAT: everything from outside to the only host. */
  readonly oneToOne: boolean
}

export class Network {
  readonly time: VirtualTime
  readonly random: SeededRandom
  faults: Faults
  /** Sees every datagram as it enters the network, after NAT; may return another one, several, or none. */
  tap: ((datagram: Datagram) => readonly Datagram[]) | undefined
  readonly counts = { sent: 0, lost: 0, repeated: 0, reordered: 0, corrupted: 0, unreachable: 0 }
  readonly #hosts = new Map<string, Host>()
  readonly #nats = new Map<string, Nat>()

  constructor(time: VirtualTime, random: SeededRandom, faults: Faults = fairNetwork) {
    this.time = time
    this.random = random
    this.faults = faults
  }

  host(address: string, behind?: Nat): Host {
    const host: Host = { address, behind, receive: () => {}, unplugged: false }
    if (behind) behind.hosts.push(host)
    else this.#hosts.set(address, host)
    return host
  }

  /** A NAT box. Inner hosts may all have the same address: they are told apart by themselves. */
  nat(address: string, oneToOne = false): Nat {
    const nat: Nat = { address, out: new Map(), back: new Map(), hosts: [], nextPort: 1024, oneToOne }
    this.#nats.set(address, nat)
    return nat
  }

  /** The NAT forgets its bindings: the next packets of its hosts leave from other ports. */
  rebind(nat: Nat): void {
    nat.out.clear()
    nat.back.clear()
  }

  send(host: Host, datagram: Datagram): void {
    if (host.unplugged) return
    const outer = host.behind ? { ...datagram, from: translate(host.behind, host, datagram.from) } : datagram
    for (const one of this.tap?.(outer) ?? [outer]) this.inject(one)
  }

  /** Puts a datagram into the network as if it had come from anywhere: an attacker's tool too. */
  inject(datagram: Datagram): void {
    this.counts.sent++
    const copies = this.#happens('repeat', 'repeated') ? 2 : 1
    for (let i = 0; i < copies; i++) {
      if (this.#happens('loss', 'lost')) continue
      const octets = datagram.octets.slice()
      if (octets.length > 0 && this.#happens('corrupt', 'corrupted'))
        octets[this.random.below(octets.length)]! ^= 1 << this.random.below(8)
      let delay = this.faults.latency
      if (this.#happens('reorder', 'reordered')) delay += this.random.below(10 * this.faults.latency + 1)
      this.time.after(delay, () => this.#deliver({ ...datagram, octets }))
    }
  }

  #happens(fault: 'loss' | 'repeat' | 'reorder' | 'corrupt', count: keyof Network['counts']): boolean {
    const it = this.faults[fault] > 0 && this.random.chance(this.faults[fault])
    if (it) this.counts[count]++
    return it
  }

  #deliver(datagram: Datagram): void {
    const nat = this.#nats.get(datagram.to.address)
    const inner = nat && inward(nat, datagram)
    const host = nat ? inner?.host : this.#hosts.get(datagram.to.address)
    if (!host || host.unplugged) {
      this.counts.unreachable++
      return
    }
    host.receive(inner ? { ...datagram, to: inner.inner } : datagram)
  }
}

function translate(nat: Nat, host: Host, inner: Endpoint): Endpoint {
  if (nat.oneToOne) return { address: nat.address, port: inner.port }
  const key = `${nat.hosts.indexOf(host)}/${showEndpoint(inner)}`
  let port = nat.out.get(key)
  if (port === undefined) {
    port = nat.nextPort++
    nat.out.set(key, port)
    nat.back.set(port, { host, inner })
  }
  return { address: nat.address, port }
}

function inward(nat: Nat, datagram: Datagram): { host: Host; inner: Endpoint } | undefined {
  if (!nat.oneToOne) return nat.back.get(datagram.to.port)
  const host = nat.hosts[0]
  return host && { host, inner: { address: host.address, port: datagram.to.port } }
}
