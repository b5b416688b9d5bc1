// The laptop's provisioner against the device's real console over a simulated serial cable, in virtual time: 100 runs with a fault at a random octet.
import process from 'node:process'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { digestOf } from '../../src/control/load-lines.ts'
import { hostKeyOf } from '../../src/control/sealed-bundle.ts'
import {
  type ProvisionOptions,
  provisionBoard,
  type Result,
  usualOptions,
} from '../../src/provision/provision-board.ts'
import { type Site, sealSite } from '../../src/provision/site-file.ts'
import { ConsoleBoard } from '../fakes/console-board.ts'
import { faultOf } from '../fakes/line-faults.ts'
import { type Fault, SerialCable } from '../fakes/serial-cable.ts'
import { VirtualTime } from '../fakes/virtual-time.ts'

const text = (hostname: string, password: string) => `hostname: ${hostname}
remoteAccess:
  preSharedKey: correct horse battery staple of ${hostname}
  addressPool: 10.99.0.10-10.99.0.250
users:
  - { name: alice, password: wonderland of ${hostname} }
system:
  admin: { password: ${password} }
# Some length, so that the file takes many lines: ${'x'.repeat(400)}
`
const oldText = text('before', 'password before')
const newText = text('after', 'password after')

/** The console's chains of promises are long: every turn of the loop ends them all. */
const allPromises = () => new Promise<void>((resolve) => void setImmediate(resolve))

let time: VirtualTime

beforeEach(() => {
  time = new VirtualTime(undefined, allPromises)
  const timers = new Map<number, () => void>()
  let last = 0
  vi.stubGlobal('setTimeout', (run: () => void, ms = 0) => {
    timers.set(++last, time.after(ms, run))
    return last
  })
  vi.stubGlobal('clearTimeout', (timer: number | undefined) => {
    if (timer !== undefined) timers.get(timer)?.()
  })
  vi.spyOn(performance, 'now').mockImplementation(() => time.now())
})

afterEach(() => {
  vi.unstubAllGlobals()
  vi.restoreAllMocks()
})

function siteOf(content: string): Site {
  const octets = new TextEncoder().encode(content)
  return { octets, sealed: false, sha256: digestOf(octets), configuration: undefined, warnings: [] }
}

type Bench = {
  readonly from?: string | undefined
  readonly faults?: readonly Fault[]
  readonly baud?: number
  readonly at?: 'login' | 'boot'
  readonly before?: string
  readonly options?: (board: ConsoleBoard) => Partial<ProvisionOptions>
}

async function provision(bench: Bench = {}) {
  const from = 'from' in bench ? bench.from : oldText
  const cable = new SerialCable(time, { faults: bench.faults ?? [], ...(bench.baud && { baud: bench.baud }) })
  const board = new ConsoleBoard((octets) => cable.fromBoard(octets), from)
  cable.attach(board)
  if (bench.at === 'boot') board.reboot()
  else board.start()
  if (bench.before !== undefined) {
    await time.advance(100)
    board.receive(Buffer.from(bench.before))
    await time.advance(5_000)
  }
  const account = { user: 'admin', passwords: ['password before', 'password after'] }
  const baud = bench.baud ?? usualOptions.baud
  const options = { ...usualOptions, site: siteOf(newText), account, baud, ...bench.options?.(board) }
  const notes: string[] = []
  let result: Result | undefined
  let error: Error | undefined
  void provisionBoard(cable.line, time, options, { phase: () => {}, note: (note) => notes.push(note) }).then(
    (value) => {
      result = value
    },
    (reason: Error) => {
      error = reason
    },
  )
  const ended = await time.until(() => result !== undefined || error !== undefined, 3_600_000)
  if (error) throw error
  if (!ended || board.bugs.length > 0)
    throw new Error(`${board.bugs.join('\n')}\n${notes.join('\n')}\n${cable.trace.slice(-60).join('\n')}`)
  const seconds = Math.round(time.now() / 1000)
  await time.advance(900_000)
  return { result: result!, outcome: result!.outcome, board, cable, notes, seconds }
}

describe("the real console's states", () => {
  test.each([
    ['a log-in prompt', {}],
    ['a factory-fresh board in its wizard', { from: undefined }],
    ['a factory-fresh board, some questions on', { from: undefined, before: 'yes\rgw7\r' }],
    ['a boot passing by', { at: 'boot' }],
    ['9,600 baud', { baud: 9_600 }],
    ['half a line typed', { before: 'admin\rpassword before\rshow vers' }],
    ['configure mode with a candidate', { before: 'admin\rpassword before\rconfigure\rset hostname half\r' }],
    ['a pager', { before: 'admin\rpassword before\rterminal length 3\rshow configuration\r' }],
    ['a load that nobody finished', { before: `admin\rpassword before\rconfigure\rload 500 ${'0'.repeat(64)}\r` }],
  ] satisfies [string, Bench][])('%s', async (_, bench: Bench) => {
    const { outcome, board, result, cable } = await provision(bench)
    expect(outcome, cable.trace.slice(-60).join('\n')).toEqual({ is: 'provisioned' })
    expect(board.configuration).toBe(newText)
    expect(result.facts?.serialNumber).toBe('C0001')
  })

  test('a sealed bundle', async () => {
    const sealed = (board: ConsoleBoard) => ({ site: sealSite(siteOf(newText), hostKeyOf(board.boardKey)) })
    const { outcome, board } = await provision({ options: sealed })
    expect(outcome).toEqual({ is: 'provisioned' })
    expect(board.configuration).toBe(newText)
  })

  test("what the board's own rules refuse", async () => {
    const faulty = siteOf(newText.replace('10.99.0.250', '10.99.0.2500'))
    const { outcome, board } = await provision({ options: () => ({ site: faulty }) })
    expect(outcome).toEqual({
      is: 'refused',
      why: expect.stringMatching(
        /^the board finds the configuration faulty: line 4, column 16: remoteAccess\.addressPool/,
      ),
    })
    expect(board.configuration).toBe(oldText)
  })
})

describe('runs with a fault at a random octet: the old configuration or the new one', () => {
  let octets = 0

  test('the undisturbed run', async () => {
    const { cable, seconds } = await provision()
    octets = cable.octets
    expect(octets).toBeGreaterThan(1_000)
    expect(seconds).toBeLessThan(60)
  })

  /** More by the environment: `GATEHOUSE_SEEDS=3000 npx vitest run test/scenarios/provision.test.ts`. */
  const count = Number(process.env.GATEHOUSE_SEEDS ?? 100)

  async function oldOrNew(faults: readonly Fault[]): Promise<void> {
    const { board, outcome, notes } = await provision({ faults }).catch((error: Error) => {
      throw new Error(`${JSON.stringify(faults)}: ${error.message}`)
    })
    const told = `${JSON.stringify(faults)}: ${JSON.stringify(outcome)}\n${notes.join('\n')}`
    expect([oldText, newText], told).toEqual(expect.arrayContaining([...board.history]))
    expect(`${outcome.is}: ${board.configuration === newText}`, told).toMatch(/^(?:provisioned|unchanged): true$/)
  }

  test.each(Array.from({ length: count }, (_, i) => i + 1))('seed %i', (seed) => oldOrNew([faultOf(seed, octets)]))

  test.each(Array.from({ length: count / 5 }, (_, i) => i + 1))('three faults, seed %i', (seed) =>
    oldOrNew([1, 2, 3].map((i) => faultOf(10_000 + seed * 3 + i, octets))),
  )
})
