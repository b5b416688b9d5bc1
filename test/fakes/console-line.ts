// A console over a line in memory: a test types, and reads what comes back. Fake timers of vitest work: nothing here waits in real time.
// Loaded by the console when they are needed, which takes real time: here they are there before virtual time begins.
import '../../src/console/commands/tree.ts'
import '../../src/console/commit.ts'
import type { Device } from '../../src/console/device.ts'
import { Input } from '../../src/console/input.ts'
import type { TerminalKind } from '../../src/console/line-editor.ts'
import { serveConsole } from '../../src/console/session.ts'
import { Terminal } from '../../src/console/terminal.ts'

/** Milliseconds for an answer: a password's hash takes some hundred. */
const longest = 15_000

export function consoleOn(device: Device, { kind = 'dumb' as TerminalKind, once = false } = {}) {
  const input = new Input()
  let unread = ''
  let total = 0
  const channel = {
    async write(text: string) {
      unread += text
      total++
    },
  }
  const terminal = new Terminal(channel, input, kind)
  const ended = serveConsole(device, terminal, { once })
  /** Waits until nothing is written for some turns of the event loop; hashing a password takes longer, so it may be told what to wait for. */
  const settle = async (until?: RegExp) => {
    const from = Date.now()
    for (let still = 0; Date.now() - from < longest; ) {
      const before = total
      await new Promise((turn) => setImmediate(turn))
      still = total === before ? still + 1 : 0
      if (until ? until.test(unread) : still > 12) return
    }
    throw new Error(`${until} did not come: ${JSON.stringify(unread)}`)
  }
  const read = () => {
    const text = unread.replaceAll('\r\n', '\n')
    unread = ''
    return text
  }
  return {
    terminal,
    input,
    ended,
    read,
    settle,
    /** Types octets (a character each), and gives what came back; `until` where it takes a while. */
    async type(octets: string, until?: RegExp) {
      input.push(Uint8Array.from(octets, (c) => c.charCodeAt(0)))
      await settle(until)
      return read()
    },
    hangUp: () => input.end(),
  }
}
