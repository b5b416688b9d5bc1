// The watch over a link: when the peer is asked, by what, and when it is given up. Asked after 30 quiet seconds, then every 9, three times.
import { describe, expect, test } from 'vitest'
import { Seeded } from '../../test/fakes/ppp-pair.ts'
import { KeepAlive } from './keep-alive.ts'

const settings = { idleSeconds: 30, intervalSeconds: 9, tries: 3 }
const none = { octets: (length: number) => new Uint8Array(length) }
/** What a peer answers. */
type Peer = { readonly echo?: boolean; readonly below?: boolean }

/** Runs a watch for so many seconds; what was done, each with its second. Random octets of zero: the first question comes at 27 s. */
function watch(seconds: number, peer: (now: number) => Peer, random: typeof none = none): string[] {
  const watched = new KeepAlive(settings)
  const seen: string[] = []
  watched.start({ now: 0, random })
  for (let now = watched.deadline; now !== undefined && now <= seconds * 1000; now = watched.deadline) {
    const step = watched.tick({ now, random })
    if (!step) continue
    if (step.is === 'silent') seen.push(`${now / 1000} silent for ${step.seconds}`)
    else
      seen.push(`${now / 1000} ${[step.echo ? 'echo' : '', step.below ? 'below' : ''].filter(Boolean).join(' and ')}`)
    if (step.is === 'silent') continue
    const { echo, below } = peer(now / 1000)
    if (step.echo && echo) {
      watched.replied()
      watched.heard(now + 20)
    }
    if (step.below && below) watched.heardBelow(now + 20)
  }
  return seen
}

describe('a peer that answers', () => {
  test('echoes: one question in an interval', () => {
    expect(watch(100, () => ({ echo: true }))).toEqual(['27.1 echo', '54.2 echo', '81.3 echo'])
  })

  test('echoes, of which two in a row are lost', () => {
    const lost = (now: number) => now > 50 && now < 70
    expect(watch(110, (now) => ({ echo: !lost(now) }))).toEqual([
      '27.1 echo',
      '54.2 echo',
      '63.2 echo',
      '72.2 echo',
      '99.3 echo',
    ])
  })

  test('echoes, and then no more: its link is gone, whatever its host says', () => {
    expect(watch(200, (now) => ({ echo: now < 50, below: true }))).toEqual([
      '27.1 echo',
      '54.2 echo',
      '63.2 echo',
      '72.2 echo',
      '81.2 silent for 54',
    ])
  })

  test('below only: its echoes are given up, not its link', () => {
    expect(watch(110, () => ({ below: true }))).toEqual([
      '27.1 echo',
      '36.1 echo and below',
      '45.1 echo and below',
      '72.2 below',
      '99.3 below',
    ])
  })

  test('below only, and then not at all', () => {
    expect(watch(200, (now) => ({ below: now < 90 }))).toEqual([
      '27.1 echo',
      '36.1 echo and below',
      '45.1 echo and below',
      '72.2 below',
      '99.3 below',
      '108.3 below',
      '117.3 below',
      '126.3 silent for 54',
    ])
  })

  test('nothing', () => {
    expect(watch(200, () => ({}))).toEqual([
      '27.1 echo',
      '36.1 echo and below',
      '45.1 echo and below',
      '54.1 silent for 54',
    ])
  })
})

test('a busy link is never asked, and what comes moves no deadline', () => {
  const watched = new KeepAlive(settings)
  watched.start({ now: 0, random: none })
  for (let now = 1000; now < 300_000; now += 1000) {
    const before = watched.deadline
    watched.heard(now)
    expect(watched.deadline).toBe(before)
    expect(watched.tick({ now, random: none })).toBeUndefined()
  }
})

test('what came before the last sign of life is none after it', () => {
  const watched = new KeepAlive(settings)
  watched.start({ now: 0, random: none })
  watched.heardBelow(10_000)
  watched.heard(20_000)
  const steps = []
  for (let now = 27_200; now < 100_000; now += 100) steps.push(watched.tick({ now, random: none })?.is)
  expect(steps.filter((is) => is !== undefined)).toEqual(['ask', 'ask', 'ask', 'silent'])
})

test('stopped: nothing is due, and nothing that is heard starts it', () => {
  const watched = new KeepAlive(settings)
  watched.start({ now: 0, random: none })
  watched.stop()
  watched.heard(1000)
  watched.heardBelow(1000)
  watched.replied()
  expect([watched.deadline, watched.tick({ now: 100_000, random: none })]).toEqual([undefined, undefined])
})

test('ten thousand links that come up in one moment: they ask in thirty turns, none after 30.1 s', () => {
  const random = new Seeded(1)
  const times = new Map<number, number>()
  for (let i = 0; i < 10_000; i++) {
    const watched = new KeepAlive(settings)
    watched.start({ now: 0, random })
    times.set(watched.deadline!, (times.get(watched.deadline!) ?? 0) + 1)
  }
  expect(Math.max(...times.keys())).toBeLessThanOrEqual(30_100)
  expect(times.size).toBeGreaterThan(25)
  expect(Math.max(...times.values())).toBeLessThan(450)
})
