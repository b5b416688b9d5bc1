// Reliable delivery (RFC 2661 §5.8, appendix A): one end by hand, then two ends over a bad line.
import { describe, expect, test } from 'vitest'
import { SeededRandom } from '../../test/scenarios/network.ts'
import {
  abandon,
  cycle,
  enqueue,
  flush,
  newReliable,
  type Received,
  type Reliable,
  receive,
  setPeerWindow,
  timeout,
} from './reliable.ts'

const retransmission = { firstMs: 1000, capMs: 8000, tries: 5 }
const body = (octet: number) => Uint8Array.of(octet)

function put(state: Reliable, ...octets: readonly number[]): void {
  for (const octet of octets) enqueue(state, { session: 0, body: body(octet) })
}

/** `Ns/Nr:octet`, or `Ns/Nr` for an acknowledgement. */
function sent(state: Reliable, now = 0): readonly string[] {
  return flush(state, now, retransmission).map(
    ({ message, ns, nr }) => `${ns}/${nr}${message.body.length > 0 ? `:${message.body[0]}` : ''}`,
  )
}

function take(state: Reliable, ns: number, nr: number, octet?: number, window = 4): Received {
  const octets = octet === undefined ? new Uint8Array(0) : body(octet)
  return receive(state, { ns, nr }, { session: 0, body: octets }, { now: 0, window, retransmission })
}

function octetsOf(received: Received): readonly number[] | string {
  return received.is === 'accepted' ? received.messages.map(({ body }) => body[0]!) : received.is
}

describe('sending', () => {
  test('slow start: one, then two, then four, up to the window of the peer', () => {
    const state = newReliable()
    put(state, 1, 2, 3, 4, 5, 6, 7, 8, 9)
    expect(sent(state)).toEqual(['0/0:1'])
    expect(sent(state)).toEqual([])
    take(state, 0, 1)
    expect(sent(state)).toEqual(['1/0:2', '2/0:3'])
    take(state, 0, 3)
    expect(sent(state)).toEqual(['3/0:4', '4/0:5', '5/0:6', '6/0:7'])
    take(state, 0, 7)
    expect(sent(state)).toEqual(['7/0:8', '8/0:9'])
  })

  test("a window of one, as Android's", () => {
    const state = newReliable()
    setPeerWindow(state, 1)
    put(state, 1, 2, 3)
    expect(sent(state)).toEqual(['0/0:1'])
    take(state, 0, 1)
    expect(sent(state)).toEqual(['1/0:2'])
    take(state, 0, 2)
    expect(sent(state)).toEqual(['2/0:3'])
  })

  test('beyond the threshold the window grows by one a round trip', () => {
    const state = newReliable()
    setPeerWindow(state, 64)
    Object.assign(state, { congestionWindow: 4, threshold: 4 })
    put(state, ...Array.from({ length: 40 }, (_, i) => i))
    const rounds: number[] = []
    for (let i = 0; i < 5; i++) {
      rounds.push(sent(state).length)
      take(state, 0, state.sent)
    }
    expect(rounds).toEqual([4, 5, 6, 7, 8])
  })

  test('a timeout sends the first again, alone, with the Nr of now; the threshold is halved', () => {
    const state = newReliable()
    Object.assign(state, { congestionWindow: 4 })
    put(state, 1, 2, 3, 4)
    expect(sent(state)).toEqual(['0/0:1', '1/0:2', '2/0:3', '3/0:4'])
    take(state, 0, 0, 9)
    expect(sent(state)).toEqual(['4/1'])
    expect(timeout(state, retransmission)).toBe(true)
    expect(sent(state)).toEqual(['0/1:1'])
    expect([state.congestionWindow, state.threshold]).toEqual([1, 2])
    // All four had arrived: one acknowledgement covers them.
    take(state, 1, 4)
    expect(sent(state)).toEqual([])
    expect(state.queue).toEqual([])
    expect(state.resendAt).toBe(undefined)
  })

  test('back-off: 1, 2, 4, 8, 8, 8 s, and then the peer is gone', () => {
    const state = newReliable()
    put(state, 1)
    const waits: number[] = []
    let now = 0
    for (;;) {
      sent(state, now)
      waits.push((state.resendAt! - now) / 1000)
      now = state.resendAt!
      if (!timeout(state, retransmission)) break
    }
    expect(waits).toEqual([1, 2, 4, 8, 8, 8])
    expect(now).toBe(cycle(retransmission))
  })

  test('the cap is no less than 8 s, whatever is configured', () => {
    expect(cycle({ firstMs: 1000, capMs: 2000, tries: 5 })).toBe(31_000)
    expect(cycle({ firstMs: 1000, capMs: 16_000, tries: 5 })).toBe(47_000)
  })

  test('each message has its own back-off', () => {
    const state = newReliable()
    put(state, 1, 2)
    sent(state)
    timeout(state, retransmission)
    sent(state, 1000)
    receive(state, { ns: 0, nr: 1 }, { session: 0, body: new Uint8Array(0) }, { now: 2000, window: 4, retransmission })
    sent(state, 2000)
    expect(state.resendAt).toBe(3000)
  })

  test('sequence numbers go round', () => {
    const state = newReliable()
    Object.assign(state, { unacknowledged: 0xfffe, next: 0xfffe, sent: 0xfffe, expected: 0xffff, congestionWindow: 4 })
    put(state, 1, 2, 3)
    expect(sent(state)).toEqual(['65534/65535:1', '65535/65535:2', '0/65535:3'])
    expect(octetsOf(take(state, 0xffff, 0, 9))).toEqual([9])
    expect(octetsOf(take(state, 0, 1, 10))).toEqual([10])
    expect(sent(state)).toEqual(['1/1'])
    expect(state.queue).toEqual([])
  })

  test('abandoned: nothing more but acknowledgements', () => {
    const state = newReliable()
    put(state, 1, 2)
    sent(state)
    take(state, 0, 0, 9)
    abandon(state)
    expect(sent(state)).toEqual(['1/1'])
    expect(state.resendAt).toBe(undefined)
  })
})

describe('receiving', () => {
  test('in order, with an acknowledgement where nothing of ours goes out', () => {
    const state = newReliable()
    expect(octetsOf(take(state, 0, 0, 1))).toEqual([1])
    expect(sent(state)).toEqual(['0/1'])
    expect(octetsOf(take(state, 1, 0, 2))).toEqual([2])
    put(state, 7)
    expect(sent(state)).toEqual(['0/2:7'])
    expect(sent(state)).toEqual([])
  })

  test('early ones wait for their turn', () => {
    const state = newReliable()
    expect(octetsOf(take(state, 2, 0, 3))).toEqual([])
    expect(octetsOf(take(state, 1, 0, 2))).toEqual([])
    expect(sent(state)).toEqual([])
    expect(octetsOf(take(state, 0, 0, 1))).toEqual([1, 2, 3])
    expect(sent(state)).toEqual(['0/3'])
  })

  test('what is kept does not change with the buffer that it came in', () => {
    const state = newReliable()
    const buffer = body(3)
    receive(state, { ns: 1, nr: 0 }, { session: 0, body: buffer }, { now: 0, window: 4, retransmission })
    buffer[0] = 99
    expect(octetsOf(take(state, 0, 0, 1))).toEqual([1, 3])
  })

  test('only as far as the window', () => {
    const state = newReliable()
    expect(octetsOf(take(state, 4, 0, 5))).toBe('outside')
    expect(octetsOf(take(state, 1, 0, 2, 1))).toBe('outside')
    expect(state.early.size).toBe(0)
  })

  test('"duplicates … MUST be acknowledged" (§5.8)', () => {
    const state = newReliable()
    take(state, 0, 0, 1)
    sent(state)
    expect(octetsOf(take(state, 0, 0, 1))).toBe('duplicate')
    expect(sent(state)).toEqual(['0/1'])
    expect(octetsOf(take(state, 0xffff, 0, 1))).toBe('duplicate')
  })

  test('an acknowledgement is not acknowledged', () => {
    const state = newReliable()
    take(state, 5, 0)
    expect(sent(state)).toEqual([])
  })

  test('an Nr for what was never sent is refused whole; one from the past is only old', () => {
    const state = newReliable()
    put(state, 1, 2)
    sent(state)
    expect(octetsOf(take(state, 0, 2, 9))).toBe('outside')
    expect(state.queue.length).toBe(2)
    take(state, 0, 1)
    expect(octetsOf(take(state, 0, 0, 9))).toEqual([9])
  })

  test('the queue has an end', () => {
    const state = newReliable()
    for (let i = 0; i < 1024; i++) expect(enqueue(state, { session: 0, body: body(1) })).toBe(true)
    expect(enqueue(state, { session: 0, body: body(1) })).toBe(false)
  })
})

/** Two ends, each with messages for the other, over a line that loses, repeats and reorders. */
function exchange(seed: number): { readonly got: readonly (readonly number[])[]; readonly steps: number } {
  const random = new SeededRandom(seed)
  const ends = [newReliable(), newReliable()]
  const got: number[][] = [[], []]
  const wanted = 30
  ends.forEach((end) => {
    end.expected = end.unacknowledged = end.next = end.sent = 0xfff0
    put(end, ...Array.from({ length: wanted }, (_, i) => i))
  })
  const line: { at: number; to: number; ns: number; nr: number; octets: Uint8Array }[] = []
  let now = 0
  let steps = 0
  const forever = { ...retransmission, tries: 1000 }
  const send = (from: number) => {
    for (const { message, ns, nr } of flush(ends[from]!, now, forever)) {
      for (let copies = random.chance(0.1) ? 2 : 1; copies > 0; copies--) {
        if (random.chance(0.2)) continue
        line.push({ at: now + 10 + random.below(300), to: 1 - from, ns, nr, octets: message.body })
      }
    }
  }
  send(0)
  send(1)
  while (got.some((list) => list.length < wanted) && steps++ < 20_000) {
    line.sort((a, b) => a.at - b.at)
    const timers = ends.map((end) => end.resendAt ?? Number.POSITIVE_INFINITY)
    const next = line[0]
    if (next && next.at <= Math.min(...timers)) {
      line.shift()
      now = next.at
      const end = ends[next.to]!
      const received = receive(
        end,
        next,
        { session: 0, body: next.octets },
        { now, window: 4, retransmission: forever },
      )
      if (received.is === 'accepted') for (const { body } of received.messages) got[next.to]!.push(body[0]!)
      send(next.to)
    } else {
      now = Math.min(...timers)
      const due = timers.indexOf(now)
      timeout(ends[due]!, forever)
      send(due)
    }
  }
  return { got, steps }
}

test('200 bad lines: everything arrives once and in order at both ends', () => {
  const all = Array.from({ length: 30 }, (_, i) => i)
  for (let seed = 1; seed <= 200; seed++) expect({ seed, got: exchange(seed).got }).toEqual({ seed, got: [all, all] })
})
