// Many that wait equally long have one timer between them.
import { expect, test } from 'vitest'
import { VirtualTime } from '../../test/fakes/virtual-time.ts'
import { Waiting } from './waiting.ts'

test('each is due in its turn; who was added again waits anew, who was dropped is never due', async () => {
  const time = new VirtualTime()
  const due: string[] = []
  const waiting = new Waiting<string>({ clock: time, timers: time }, 1000, (key) => due.push(`${key} ${time.now()}`))
  for (const key of ['a', 'b', 'c', 'd']) {
    waiting.add(key)
    await time.advance(100)
  }
  expect(time.pending).toBe(1)
  waiting.add('a')
  waiting.drop('c')
  await time.advance(5000)
  expect(due).toEqual(['b 1100', 'd 1300', 'a 1400'])
  expect(time.pending).toBe(0)
})

test('one that is added again when it is due waits anew', async () => {
  const time = new VirtualTime()
  const due: number[] = []
  const waiting: Waiting<string> = new Waiting({ clock: time, timers: time }, 1000, (key) => {
    due.push(time.now())
    if (due.length < 3) waiting.add(key)
  })
  waiting.add('a')
  await time.advance(10_000)
  expect(due).toEqual([1000, 2000, 3000])
})
