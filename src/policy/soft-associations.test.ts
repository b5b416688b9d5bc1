import fc from 'fast-check'
import { expect, test } from 'vitest'
import { mostPeers, SoftAssociations, type SoftInput } from './soft-associations.ts'

const key = { rule: 'any -> 192.0.2.0/24', peer: '192.0.2.9' }
const wanted = (softSeconds: number | undefined): SoftInput => ({ on: 'wanted', softSeconds, ...key })
const negotiate = { do: 'negotiate', ...key }
const end = (why: string) => [
  { do: 'endClear', ...key },
  { do: 'report', event: { event: 'policy.soft.down', why }, ...key },
]
const drop = (why: string) => ({ do: 'report', event: { event: 'policy.dropped', why }, ...key })

test('a peer that answers nothing gets clear traffic for its time, then is asked again', () => {
  const soft = new SoftAssociations()
  expect(soft.handle(wanted(300), 0)).toEqual([negotiate])
  expect(soft.handle(wanted(300), 10)).toEqual([])
  expect(soft.handle({ on: 'silent', ...key }, 30_000)).toEqual([
    { do: 'allowClear', seconds: 300, ...key },
    { do: 'report', event: { event: 'policy.soft.up', seconds: 300 }, ...key },
  ])
  expect(soft.rows()).toEqual([{ ...key, since: 30_000, until: 330_000 }])
  expect([soft.deadline, soft.handle({ on: 'tick' }, 329_999)]).toEqual([330_000, []])
  expect(soft.handle({ on: 'tick' }, 330_000)).toEqual(end('expired'))
  expect(soft.handle(wanted(300), 330_001)).toEqual([negotiate])
})

test('where the action forbids it silence bars, and the next try waits ten seconds', () => {
  const soft = new SoftAssociations()
  soft.handle(wanted(undefined), 0)
  expect(soft.handle({ on: 'silent', ...key }, 30_000)).toEqual([
    drop("the peer doesn't answer IKE, and the filter action forbids clear traffic"),
  ])
  expect([soft.handle(wanted(undefined), 39_999), soft.rows()]).toEqual([[], []])
  expect(soft.handle({ on: 'tick' }, 40_000)).toEqual([])
  expect(soft.handle(wanted(undefined), 40_001)).toEqual([negotiate])
})

test('a peer that answers and refuses speaks IPsec: never in clear', () => {
  const soft = new SoftAssociations()
  soft.handle(wanted(300), 0)
  expect(soft.handle({ on: 'refused', reason: 'the pre-shared key is wrong', ...key }, 1000)).toEqual([
    drop('the peer speaks IPsec, and no SA could be made: the pre-shared key is wrong'),
  ])
  expect(soft.handle({ on: 'silent', ...key }, 1001)).toEqual([])
  expect(soft.rows()).toEqual([])
})

test('an SA ends a soft association, and so does a refusal', () => {
  const soft = new SoftAssociations()
  soft.handle(wanted(300), 0)
  soft.handle({ on: 'silent', ...key }, 1)
  expect(soft.handle({ on: 'protected', ...key }, 2)).toEqual(end('protected'))
  expect([soft.deadline, soft.handle(wanted(300), 3)]).toEqual([undefined, []])
  expect(soft.handle({ on: 'gone', ...key }, 4)).toEqual([])
  expect(soft.handle(wanted(300), 5)).toEqual([negotiate])
  soft.handle({ on: 'silent', ...key }, 6)
  expect(soft.handle({ on: 'refused', reason: 'no proposal fits', ...key }, 7).slice(0, 2)).toEqual(end('refused'))
})

test('another policy ends all', () => {
  const soft = new SoftAssociations()
  soft.handle(wanted(300), 0)
  soft.handle({ on: 'silent', ...key }, 1)
  expect([soft.handle({ on: 'clear' }, 2), soft.rows(), soft.deadline]).toEqual([end('policy changed'), [], undefined])
})

test('invented destinations fill no memory', () => {
  const soft = new SoftAssociations()
  const asked = Array.from({ length: mostPeers + 5 }, (_, i) =>
    soft.handle({ on: 'wanted', softSeconds: 1, rule: 'r', peer: `${i}` }, 0),
  )
  expect(asked.filter((effects) => effects.length > 0)).toHaveLength(mostPeers)
})

test('clear traffic is allowed only after silence, only where the action allows it, and always ends', () => {
  const step = fc.oneof(
    fc.constantFrom(300, undefined).map(wanted),
    fc.constantFrom<SoftInput>(
      { on: 'silent', ...key },
      { on: 'refused', reason: 'x', ...key },
      { on: 'protected', ...key },
      { on: 'gone', ...key },
      { on: 'tick' },
      { on: 'clear' },
    ),
  )
  fc.assert(
    fc.property(fc.array(fc.tuple(step, fc.nat(400_000)), { maxLength: 40 }), (steps) => {
      const soft = new SoftAssociations()
      let now = 0
      let clear = false
      let asked: number | undefined
      for (const [input, pause] of steps) {
        now += pause
        for (const effect of soft.handle(input, now)) {
          if (effect.do === 'negotiate') asked = (input as { softSeconds: number | undefined }).softSeconds
          if (effect.do === 'allowClear') {
            expect([input.on, asked]).toEqual(['silent', 300])
            clear = true
          }
          if (effect.do === 'endClear') clear = false
        }
        expect(soft.rows().length).toBe(clear ? 1 : 0)
      }
      soft.handle({ on: 'tick' }, now + 400_000)
      expect(soft.rows()).toEqual([])
    }),
  )
})
