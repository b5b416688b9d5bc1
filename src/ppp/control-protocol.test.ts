// One control protocol by itself, with options that a test decides: what passes the gates before the automaton, the timer and the counts.
import { expect, test } from 'vitest'
import { Counting } from '../../test/fakes/ppp-link.ts'
import { hex, unhex } from '../wire/codec.ts'
import type { Instant } from '../wire/machine.ts'
import { ControlProtocol, type Judgement, type OptionRules } from './control-protocol.ts'
import { NCP_CODES, type Option } from './wire/control.ts'

/** Asks for option 1 with data 0a; takes what `judgement` says. Writes down what it is told. */
class Rules implements OptionRules {
  fault: string | undefined
  judgement: Judgement = { is: 'ack' }
  options: readonly Option[] = [{ type: 1, data: unhex('0a') }]
  readonly told: string[] = []
  reset = () => void this.told.push('reset')
  request = () => this.options
  judge = () => this.judgement
  agreed = (options: readonly Option[]) => void this.told.push(`agreed ${shown(options)}`)
  naked = (options: readonly Option[]) => void this.told.push(`naked ${shown(options)}`)
  rejected = (options: readonly Option[]) => void this.told.push(`rejected ${shown(options)}`)
  insisted = (options: readonly Option[]) => void this.told.push(`insisted ${shown(options)}`)
}

const shown = (options: readonly Option[]) => options.map(({ type, data }) => `${type}:${hex(data)}`).join(' ')

class Bench {
  now: Instant = 0
  readonly random = new Counting()
  readonly rules = new Rules()
  readonly control: ControlProtocol<Rules>

  constructor(repeatAfterMs = 0) {
    const restart = { ms: 3000, maxConfigure: 3, maxTerminate: 2, maxFailure: 2 }
    this.control = new ControlProtocol(this.rules, { codes: NCP_CODES, restart, repeatAfterMs })
  }

  #seen(outputs: ReturnType<ControlProtocol['tick']>): string[] {
    return outputs.map((output) =>
      output.is === 'send' ? hex(output.octets) : output.is === 'invalid' ? output.why : output.is,
    )
  }

  start = () => this.#seen(this.control.start(this))
  recv = (digits: string) => this.#seen(this.control.receive(unhex(digits), this))
  close = () => this.#seen(this.control.close(unhex('6279 65'), this))
  down = () => this.#seen(this.control.lowerDown(this))

  wait(ms: number): string[] {
    const end = this.now + ms
    const seen: string[] = []
    for (let due = this.control.deadline; due !== undefined && due <= end; due = this.control.deadline) {
      this.now = due
      seen.push(`${due}`, ...this.#seen(this.control.tick(this)))
    }
    this.now = end
    return seen
  }

  /** Both directions agreed. */
  opened(): this {
    this.start()
    this.recv('01010007 01030b')
    this.recv('02010007 01030a')
    return this
  }
}

test('opened: our request, theirs, both acknowledged', () => {
  const bench = new Bench(1000)
  expect(bench.start()).toEqual(['0101000701030a'])
  expect(bench.recv('01070007 02030b')).toEqual(['0207000702030b'])
  expect(bench.control.state).toBe('Ack-Sent')
  expect(bench.recv('02010007 01030a')).toEqual(['up'])
  expect(bench.control.state).toBe('Opened')
  expect(bench.control.deadline).toBeUndefined()
  expect(bench.rules.told).toEqual(['reset', 'agreed 2:0b'])
})

test('RFC 1661 §4.6: the request is repeated with its identifier until the count is out', () => {
  const bench = new Bench()
  bench.start()
  expect(bench.wait(60_000)).toEqual(['3000', '0101000701030a', '6000', '0101000701030a', '9000', 'finished'])
  expect(bench.control.state).toBe('Stopped')
})

test('the first request of the peer has ours repeated at once, and only the first', () => {
  const bench = new Bench()
  bench.start()
  expect(bench.recv('01070004')).toEqual(['0101000701030a', '02070004'])
  expect(bench.recv('01070004')).toEqual(['02070004'])
})

test('unless ours is fresh, or was answered', () => {
  const fresh = new Bench(200)
  fresh.start()
  fresh.now = 199
  expect(fresh.recv('01070004')).toEqual(['02070004'])
  const answered = new Bench()
  answered.start()
  answered.recv('02010007 01030a')
  expect(answered.recv('01070004')).toEqual(['02070004', 'up'])
})

test.each([
  ['RFC 1661 §5.2: an Ack with another identifier', '02020007 01030a', []],
  ['RFC 1661 §5.2: an Ack of other options', '02010007 01030b', ['a Configure-Ack of other options than ours']],
  ['an Ack of fewer options', '02010004', ['a Configure-Ack of other options than ours']],
  ['RFC 1661 §5.3: a Nak with another identifier', '03020007 01030c', []],
  ['a Nak of nothing', '03010004', ['an empty Configure-Nak']],
  ['RFC 1661 §5.4: a Reject with another identifier', '04020007 01030a', []],
  ['a Reject of nothing', '04010004', ['an empty Configure-Reject']],
  ['a Reject of what we did not send', '04010007 09030a', ['a Configure-Reject of options that we did not send']],
  ['a Reject of an option changed', '04010007 01030b', ['a Configure-Reject of options that we did not send']],
])('%s changes nothing', (_, digits, seen) => {
  const bench = new Bench()
  bench.start()
  expect(bench.recv(digits)).toEqual(seen)
  expect(bench.control.state).toBe('Req-Sent')
  expect(bench.rules.told).toEqual(['reset'])
})

test('a Nak or a Reject leads to a new request with a new identifier; its repeat is no further one', () => {
  const bench = new Bench()
  bench.start()
  expect(bench.recv('03010007 01030c')).toEqual(['0102000701030a'])
  expect(bench.recv('03010007 01030c')).toEqual([])
  expect(bench.recv('04020007 01030a')).toEqual(['0103000701030a'])
  expect(bench.rules.told).toEqual(['reset', 'naked 1:0c', 'rejected 1:0a'])
})

test('a second Ack is passed over: it would bring Opened down', () => {
  const bench = new Bench().opened()
  expect(bench.recv('02010007 01030a')).toEqual([])
  expect(bench.control.state).toBe('Opened')
})

test('RFC 1661 §4.6, Max-Failure: more Naks than that from the peer count as Rejects', () => {
  const bench = new Bench()
  bench.start()
  for (let id = 1; id <= 3; id++) bench.recv(`030${id}0007 01030c`)
  expect(bench.rules.told).toEqual(['reset', 'naked 1:0c', 'naked 1:0c', 'rejected 1:0a'])
})

test('a peer that refuses without end is given up', () => {
  const bench = new Bench()
  bench.start()
  for (let id = 1; id <= 6; id++) expect(bench.recv(`030${id}0007 09030c`)).toEqual([`010${id + 1}000701030a`])
  expect(bench.recv('03070007 09030c')).toEqual(['finished'])
  expect(bench.control.state).toBe('Stopped')
})

test('RFC 1661 §4.6, Max-Failure: after our own Naks what is still wrong is rejected as it came, what is missing let go', () => {
  const bench = new Bench()
  bench.start()
  bench.rules.judgement = {
    is: 'nak',
    options: [
      { type: 3, data: unhex('01') },
      { type: 4, data: unhex('02') },
    ],
  }
  bench.recv('01010007 030309')
  expect(bench.recv('01020007 030309')).toEqual(['0302000a030301040302'])
  expect(bench.recv('01030007 030309')).toEqual(['04030007030309'])
  expect(bench.recv('01040004')).toEqual(['02040004'])
  expect(bench.rules.told).toEqual(['reset', 'insisted 3:09', 'insisted ', 'agreed '])
})

test('the last acknowledged request again, in Opened, is acknowledged again and nothing more', () => {
  const bench = new Bench().opened()
  expect(bench.recv('01010007 01030b')).toEqual(['0201000701030b'])
  expect(bench.control.state).toBe('Opened')
})

test('another request in Opened is a negotiation anew', () => {
  const bench = new Bench().opened()
  expect(bench.recv('01020007 01030b')).toEqual(['down', '0102000701030a', '0202000701030b'])
  expect(bench.control.state).toBe('Ack-Sent')
  expect(bench.rules.told.slice(2)).toEqual(['reset', 'agreed 1:0b'])
})

test('closed: Terminate-Requests with the data given, the same identifier, until the count is out', () => {
  const bench = new Bench().opened()
  expect(bench.close()).toEqual(['down', '05020007627965'])
  expect(bench.wait(60_000)).toEqual(['3000', '05020007627965', '6000', 'finished'])
  expect(bench.control.state).toBe('Closed')
})

test('RFC 1661 §5.5: another Terminate-Request has another identifier', () => {
  const bench = new Bench().opened()
  expect(bench.close()).toEqual(['down', '05020007627965'])
  expect(bench.recv('06020004')).toEqual(['finished'])
  expect(bench.start()).toEqual(['0103000701030a'])
  expect(bench.close()).toEqual(['05040007627965'])
})

test('closed and acknowledged', () => {
  const bench = new Bench().opened()
  bench.close()
  expect(bench.recv('06020004')).toEqual(['finished'])
})

test('RFC 1661 §5.5: terminated by the peer, then a restart period of patience', () => {
  const bench = new Bench().opened()
  expect(bench.recv('05090004')).toEqual(['terminating', 'down', '06090004'])
  expect(bench.control.state).toBe('Stopping')
  expect(bench.wait(60_000)).toEqual(['3000', 'finished'])
  expect(bench.control.state).toBe('Stopped')
})

test('Stopped, a new request of the peer begins anew, with our options as at first', () => {
  const bench = new Bench().opened()
  bench.recv('05090004')
  bench.wait(3000)
  bench.rules.told.length = 0
  expect(bench.recv('010a0004')).toEqual(['0102000701030a', '020a0004'])
  expect(bench.rules.told).toEqual(['reset', 'agreed '])
  expect(bench.recv('02020007 01030a')).toEqual(['up'])
})

test('RFC 1661 §5.6: an unknown code is answered with a Code-Reject that shows it, cut to fit', () => {
  const bench = new Bench().opened()
  expect(bench.recv('09050004')).toEqual(['0702000809050004'])
  expect(bench.recv(`09050404 ${'ab'.repeat(1024)}`)[0]).toBe(`0703007c09050404${'ab'.repeat(116)}`)
})

test.each([
  ['an essential code ends it', '07010008 01020004', ['down', '05020004'], 'Stopping'],
  ['another code is let go, and told', '07010008 09020004', ['refused'], 'Opened'],
  ['an empty Code-Reject', '07010004', [], 'Opened'],
])('RFC 1661 §4.3: a Code-Reject, %s', (_, digits, seen, state) => {
  const bench = new Bench().opened()
  expect(bench.recv(digits)).toEqual(seen)
  expect(bench.control.state).toBe(state)
})

test('a fault of the rules is told once', () => {
  const bench = new Bench()
  bench.start()
  bench.rules.fault = 'no way'
  expect(bench.recv('03010007 01030c')).toEqual(['fault'])
  expect(bench.recv('01070004')).toContain('02070004')
})

test('before it is started, and when the lower layer is down, nothing happens', () => {
  const bench = new Bench()
  expect(bench.recv('01070004')).toEqual([])
  bench.opened()
  expect(bench.down()).toEqual(['down'])
  expect(bench.control.state).toBe('Starting')
  expect(bench.recv('01070004')).toEqual([])
  expect(bench.wait(60_000)).toEqual([])
})

test('identifiers go round after 255', () => {
  const bench = new Bench()
  bench.start()
  for (let i = 2; i <= 255; i++) expect(bench.control.takeId()).toBe(i)
  expect([bench.control.takeId(), bench.control.takeId()]).toEqual([0, 1])
})
