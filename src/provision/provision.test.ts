// Whole provisioning runs over a simulated serial cable against a model board, in virtual time.
import { describe, expect, test } from 'vitest'
import { faultOf } from '../../test/fakes/line-faults.ts'
import { ModelBoard, type ModelOptions } from '../../test/fakes/model-board.ts'
import { type Fault, SerialCable } from '../../test/fakes/serial-cable.ts'
import { VirtualTime } from '../../test/fakes/virtual-time.ts'
import { digestOf } from '../control/load-lines.ts'
import { hostKeyOf, makeBoardKey } from '../control/sealed-bundle.ts'
import { type ProvisionOptions, provisionBoard, type Result, usualOptions } from './provision-board.ts'
import { type Site, sealSite } from './site-file.ts'

const oldText = 'remoteAccess: old\nsystem: { admin: { password: before } }\n'
const newText = `remoteAccess: new\nsystem: { admin: { password: after } }\n${'# a line of a site file that has some length\n'.repeat(12)}`

function siteOf(text: string): Site {
  const octets = new TextEncoder().encode(text)
  return { octets, sealed: false, sha256: digestOf(octets), configuration: undefined, warnings: [] }
}

type Bench = {
  readonly model?: ModelOptions
  readonly at?: Parameters<ModelBoard['start']>[0]
  readonly typed?: string
  readonly baud?: number
  readonly laptopBaud?: number
  readonly faults?: readonly Fault[]
  readonly options?: Partial<ProvisionOptions>
}

const gw1: ModelOptions = { configuration: oldText, password: 'before' }

/** Every turn of the loop ends all chains of promises. */
const allPromises = () => new Promise<void>((resolve) => void setImmediate(resolve))

/** Runs to the end; what the board is left with, and what was said. */
async function provision({ model = gw1, at = 'login', typed, faults = [], options, ...bench }: Bench = {}) {
  const time = new VirtualTime(undefined, allPromises)
  const cable = new SerialCable(time, { ...bench, faults })
  const board = new ModelBoard(time, (octets) => cable.fromBoard(octets), model)
  cable.attach(board)
  board.start(at)
  if (typed !== undefined) board.typed(typed)
  const notes: string[] = []
  let result: Result | undefined
  let error: Error | undefined
  const account = { user: 'admin', passwords: ['before', 'after'] }
  const all = {
    ...usualOptions,
    site: siteOf(newText),
    account,
    ...(bench.laptopBaud && { baud: bench.laptopBaud }),
    ...options,
  }
  void provisionBoard(cable.line, time, all, { phase: () => {}, note: (text) => notes.push(text) }).then(
    (value) => {
      result = value
    },
    (reason: Error) => {
      error = reason
    },
  )
  const ended = await time.until(() => result !== undefined || error !== undefined, 3_600_000)
  if (error) throw error
  if (!ended) throw new Error(`no end within an hour:\n${cable.trace.slice(-40).join('\n')}\n${notes.join('\n')}`)
  // What isn't confirmed is rolled back by now.
  const seconds = Math.round(time.now() / 1000)
  await time.advance(600_000)
  return { result: result!, outcome: result!.outcome, board, cable, notes, seconds }
}

describe('provisioning finds the prompt', () => {
  test.each([
    ['a log-in prompt', {}],
    ['a session that somebody left open', { at: 'shell' }],
    ['configure mode with a candidate', { at: 'configure' }],
    ['half a line typed at the prompt', { at: 'shell', typed: 'show vers' }],
    ['half a name typed at the log-in', { typed: 'adm' }],
    ['a boot passing by', { at: 'boot' }],
    ["U-Boot's prompt", { at: 'u-boot' }],
    ['a factory-fresh board in its wizard', { model: {} }],
    ['9,600 baud, found by trying', { baud: 9_600, laptopBaud: 115_200 }],
    ['kernel messages all the time', { model: { ...gw1, kernelEvery: 700 } }],
  ] satisfies [string, Bench][])('%s', async (_, bench: Bench) => {
    const { outcome, board, result } = await provision(bench)
    expect(outcome).toEqual({ is: 'provisioned' })
    expect(board.configuration).toBe(newText)
    expect(board.failures).toBe(0)
    expect(board.open).toBe(false)
    expect(result.facts).toEqual({
      board: 'model',
      serialNumber: 'M0001',
      macs: { wan0: '02:00:00:00:00:01' },
      firmware: '0.2.0',
      hostKey: 'x25519:none',
    })
  })
})

describe('provisioning ends with a reason', () => {
  test('a board that has the file already is left as it is', async () => {
    const { outcome, board } = await provision({ model: { configuration: newText, password: 'after' } })
    expect(outcome).toEqual({ is: 'unchanged' })
    expect(board.history).toEqual([newText])
  })

  test('a wrong password: each was tried twice, no more', async () => {
    const { outcome, board } = await provision({ model: { ...gw1, password: 'other' } })
    expect(outcome).toEqual({
      is: 'refused',
      why: 'the board refuses every password of "admin": check --user and --password-file',
    })
    expect(board.failures).toBe(4)
  })

  test('a configuration that the board finds faulty changes nothing', async () => {
    const { outcome, board } = await provision({ model: { ...gw1, faulty: () => 'line 1: no' } })
    expect(outcome).toEqual({ is: 'refused', why: 'the board finds the configuration faulty: line 1: no' })
    expect(board.history).toEqual([oldText])
  })

  test('a self-test that fails: nothing is confirmed, the board goes back', async () => {
    const { outcome, board } = await provision({ model: { ...gw1, selfTest: () => 'no WAN' } })
    expect(outcome).toEqual({
      is: 'self-test-failed',
      why: 'self-test: failed: no WAN; nothing was confirmed: the board goes back to its configuration before within 5 min',
    })
    expect(board.history).toEqual([oldText, newText, oldText])
  })

  test('nothing at the other end', async () => {
    const { outcome, seconds } = await provision({ faults: [{ at: 0, is: 'pulled', ms: 3_600_000 }] })
    expect(outcome).toEqual({
      is: 'failed',
      why: expect.stringMatching(/^nothing answers \(tried 115200, 9600, .*TX wired to RX/),
    })
    expect(seconds).toBeLessThan(90)
  })
})

describe('sealed bundles', () => {
  const privatePem = makeBoardKey()

  test('the board opens what is sealed to it', async () => {
    const site = sealSite(siteOf(newText), hostKeyOf(privatePem))
    const { outcome, board } = await provision({ model: { ...gw1, privatePem }, options: { site } })
    expect(outcome).toEqual({ is: 'provisioned' })
    expect(board.configuration).toBe(newText)
  })

  test("another board's bundle is refused in the board's words", async () => {
    const site = sealSite(siteOf(newText), hostKeyOf(makeBoardKey()))
    const { outcome, board } = await provision({ model: { ...gw1, privatePem }, options: { site } })
    expect(outcome).toEqual({ is: 'refused', why: expect.stringContaining("sealed to another board's key") })
    expect(board.history).toEqual([oldText])
  })
})

describe('faults at a random octet', () => {
  test('the old configuration or the new one, never a half, and nearly always the new one', async () => {
    const calm = await provision()
    const outcomes: string[] = []
    for (let seed = 1; seed <= 100; seed++) {
      const fault = faultOf(seed, calm.cable.octets)
      const { board, outcome } = await provision({ faults: [fault] }).catch((error: Error) => {
        throw new Error(`seed ${seed}, ${JSON.stringify(fault)}: ${error.message}`)
      })
      const told = `seed ${seed}, ${JSON.stringify(fault)}: ${JSON.stringify(outcome)}`
      expect([oldText, newText], told).toEqual(expect.arrayContaining(board.history))
      // What the laptop says is what the board has.
      const has = board.configuration === newText ? 'new' : 'old'
      expect(`${outcome.is}: ${has}`, told).toMatch(
        /^(?:provisioned|unchanged): new$|^(?:refused|failed|self-test-failed): old$/,
      )
      outcomes.push(`${fault.is}: ${has}`)
    }
    expect(outcomes.filter((outcome) => outcome.endsWith('old'))).toEqual([])
  })
})
