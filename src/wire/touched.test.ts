// What was looked at since the last question; and nothing kept where nobody asks.
import { expect, test } from 'vitest'
import { TouchedMap } from './touched.ts'

test('the first answer is all that is in; later ones what was put in, looked up or taken out since', () => {
  const map = new TouchedMap<number, string>()
  map.set(1, 'one').set(2, 'two').set(3, 'three')
  map.delete(3)
  expect([...map.takeTouched()]).toEqual([1, 2])
  expect(map.touched).toBe(false)
  map.peek(1)
  map.get(9)
  expect(map.touched).toBe(false)
  map.get(2)
  map.set(4, 'four')
  map.delete(1)
  expect([...map.takeTouched()]).toEqual([2, 4, 1])
  map.get(2)
  map.forgetTouched()
  expect([...map.takeTouched()]).toEqual([])
})

test('nobody asks: what came and went leaves nothing', () => {
  const map = new TouchedMap<number, string>()
  for (let key = 0; key < 1000; key++) {
    map.set(key, 'here')
    map.delete(key)
  }
  map.forgetTouched()
  expect([map.touched, map.size, map.takeTouched().size]).toEqual([false, 0, 0])
})
