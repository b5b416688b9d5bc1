// The driver, with a machine of four lines in virtual time.
import { expect, test } from 'vitest'
import { VirtualTime } from '../../test/fakes/virtual-time.ts'
import type { Machine } from '../wire/machine.ts'
import { type Bug, Driver, type Seat } from './driver.ts'

type Input =
  | { on: 'say'; what: string }
  | { on: 'tick' }
  | { on: 'wait'; until: number }
  | { on: 'throw' }
  | { on: 'done'; result: number }
type Effect = { do: 'hear'; what: string }

class Parrot implements Machine<Input, Effect> {
  deadline: number | undefined
  throwsOnTick = false
  handle(input: Input): readonly Effect[] {
    if (input.on === 'throw') throw new Error('bug')
    if (input.on === 'tick') {
      if (this.throwsOnTick) throw new Error('bug in tick')
      this.deadline = undefined
      return [{ do: 'hear', what: 'tick' }]
    }
    if (input.on === 'wait') this.deadline = input.until
    if (input.on === 'done') return [{ do: 'hear', what: `result ${input.result}` }]
    return input.on === 'say'
      ? [
          { do: 'hear', what: `${input.what}1` },
          { do: 'hear', what: `${input.what}2` },
        ]
      : []
  }
}

function house() {
  const time = new VirtualTime()
  const bugs: Bug[] = []
  const heard: string[] = []
  const broken: Input[] = []
  const driver = new Driver({ clock: time, timers: time, random: { octets: (n) => new Uint8Array(n) } }, (bug) =>
    bugs.push(bug),
  )
  const parrots: { machine: Parrot; seat: Seat<Input> }[] = []
  const add = (name: string, on?: (what: string) => void) => {
    const machine = new Parrot()
    const seat = driver.seat<Input, Effect>({
      name,
      machine,
      tick: { on: 'tick' },
      execute: ({ what }) => {
        heard.push(`${name} ${time.now()} ${what}`)
        on?.(what)
      },
      broken: (input) => broken.push(input),
    })
    parrots.push({ machine, seat })
    return { machine, seat }
  }
  return { time, driver, bugs, heard, broken, add }
}

test('effects of one input are executed before what they cause', () => {
  const { add, heard } = house()
  const b = add('b')
  const a = add('a', (what) => b.seat.send({ on: 'say', what }))
  a.seat.send({ on: 'say', what: 'x' })
  expect(heard).toEqual(['a 0 x1', 'a 0 x2', 'b 0 x11', 'b 0 x12', 'b 0 x21', 'b 0 x22'])
})

test('one timer serves all deadlines, the earliest first', async () => {
  const { add, heard, time } = house()
  add('a').seat.send({ on: 'wait', until: 50 })
  add('b').seat.send({ on: 'wait', until: 20 })
  const c = add('c')
  c.seat.send({ on: 'wait', until: 30 })
  c.seat.leave()
  expect(time.pending).toBe(1)
  await time.advance(100)
  expect(heard).toEqual(['b 20 tick', 'a 50 tick'])
  expect(time.pending).toBe(0)
})

test('a machine that throws is named, its owner told, the others untouched', () => {
  const { add, heard, bugs, broken } = house()
  const a = add('a')
  const b = add('b')
  a.seat.send({ on: 'throw' })
  b.seat.send({ on: 'say', what: 'x' })
  expect(bugs.map(({ machine, input, error }) => [machine, input, (error as Error).message])).toEqual([
    ['a', 'throw', 'bug'],
  ])
  expect(broken).toEqual([{ on: 'throw' }])
  expect(heard).toEqual(['b 0 x1', 'b 0 x2'])
})

test('a machine that throws on each tick is asked ever more rarely', async () => {
  const { add, time, bugs } = house()
  const a = add('a')
  a.machine.throwsOnTick = true
  a.seat.send({ on: 'wait', until: 10 })
  await time.advance(10_000)
  // at 10, then after 1, 2, 4 s
  expect(bugs.length).toBe(4)
})

test('results of jobs come back, to a seat that was left they do not', async () => {
  const { add, time, driver, heard } = house()
  const a = add('a')
  const b = add('b')
  for (const { seat } of [a, b]) {
    driver.job<Input, number>(
      seat,
      async () => 7,
      (result) => ({ on: 'done', result }),
      () => ({ on: 'done', result: -1 }),
    )
  }
  driver.job<Input, number>(
    a.seat,
    () => Promise.reject(new Error('no')),
    (result) => ({ on: 'done', result }),
    () => ({ on: 'done', result: -1 }),
  )
  b.seat.leave()
  await time.advance(0)
  expect(heard).toEqual(['a 0 result 7', 'a 0 result -1'])
})
