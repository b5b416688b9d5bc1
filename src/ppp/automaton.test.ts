import { expect, test } from 'vitest'
import { ACTIONS, EVENTS, STATES, transition } from './automaton.ts'

test('RFC 1661 §4.1: every state and event', () => {
  const rows = EVENTS.map((event) => {
    const cells = STATES.map((state) => {
      const found = transition(state, event)
      if (!found) return '-'
      const next = STATES.indexOf(found.next)
      return found.actions.length === 0 ? `${next}` : `${found.actions.join(',')}/${next}`
    })
    return `${event.padEnd(5)} ${cells.map((cell) => cell.padEnd(14)).join(' ')}`.trimEnd()
  })
  expect(rows.join('\n')).toMatchSnapshot()
})

test('every cell of the table was read: 16 events in 10 states, of which the RFC leaves 40 blank', () => {
  const found = STATES.flatMap((state) => EVENTS.map((event) => transition(state, event)))
  expect(found).toHaveLength(160)
  expect(found.filter((cell) => cell === undefined)).toHaveLength(40)
  for (const cell of found) {
    if (!cell) continue
    expect(STATES).toContain(cell.next)
    for (const action of cell.actions) expect(ACTIONS).toContain(action)
  }
})

test('RFC 1661 §4.4: This-Layer-Up on entering Opened and only then, This-Layer-Down on leaving it', () => {
  for (const state of STATES) {
    for (const event of EVENTS) {
      const found = transition(state, event)
      if (!found) continue
      expect(found.actions.includes('tlu')).toBe(state !== 'Opened' && found.next === 'Opened')
      expect(found.actions.includes('tld')).toBe(state === 'Opened' && found.next !== 'Opened')
    }
  }
})
