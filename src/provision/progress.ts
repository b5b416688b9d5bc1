// Progress for people: on a terminal one line that is redrawn, with the time left; elsewhere, or with several boards, a line a step.
import type { Phase, Progress } from './provision-board.ts'

type Now = () => number

/** What people see of a phase: `sending 1.2 of 4.1 kB, 3 s left`. `elapsed` in milliseconds since the phase began. */
export function showPhase(phase: Phase, elapsed: number, done?: number, of?: number): string {
  if (of === undefined || done === undefined) return phase
  if (phase === 'self-test')
    return `self-test: waiting until it has passed, at most ${Math.ceil(Math.max(of - done, 0) / 1000)} s more`
  const left = done === 0 ? '' : `, ${Math.ceil(((elapsed / done) * (of - done)) / 1000)} s left`
  return `${phase} ${(done / 1000).toFixed(1)} of ${(of / 1000).toFixed(1)} kB${left}`
}

/** Writes for one board. `redraw`: the screen is a terminal and the board alone on it. */
export function progressTo(write: (text: string) => void, name: string, redraw: boolean, now: Now): Progress {
  let current: Phase | undefined
  let since = now()
  let drawn = false
  const line = (text: string) => {
    if (drawn) write('\r\x1b[K')
    drawn = false
    write(`${name}: ${text}\n`)
  }
  return {
    phase(phase, done, of) {
      const fresh = phase !== current
      if (fresh) since = now()
      current = phase
      if (redraw) {
        write(`\r\x1b[K${name}: ${showPhase(phase, now() - since, done, of)}`)
        drawn = true
      } else if (fresh) line(showPhase(phase, 0, done, of))
    },
    note: line,
  }
}
