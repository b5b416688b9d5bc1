// How far a run is, on stderr: one line that is written over on a terminal, else a line for each new thing.
import process from 'node:process'
import type { Progress } from './result.ts'

const cells = 24

/** `now` in milliseconds. The second function clears the line at the end. */
export function showProgress(
  to: { isTTY?: boolean; write(text: string): unknown } = process.stderr,
  now: () => number = () => performance.now(),
): { readonly progress: Progress; readonly end: () => void } {
  const begun = now()
  let said = ''
  return {
    progress(done, all, what) {
      if (to.isTTY) {
        const share = done / all
        const passed = (now() - begun) / 1000
        const left = done > 0 ? `, ${Math.max(1, Math.round(passed / share - passed))} s left` : ''
        const full = Math.round(cells * share)
        to.write(
          `\r\x1b[K[${'#'.repeat(full)}${'.'.repeat(cells - full)}] ${Math.round(100 * share)} %${left}  ${what}`,
        )
      } else if (what !== said) to.write(`measuring, ${done} of ${all} done: ${what}\n`)
      said = what
    },
    end() {
      if (to.isTTY) to.write('\r\x1b[K')
    },
  }
}
