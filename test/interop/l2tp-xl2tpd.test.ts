// The L2TP machine against xl2tpd over plain UDP on loopback, in both roles: tunnel authentication, hidden AVPs, endings and their texts, which no login
// through IPsec shows. xl2tpd finds no pppd here, so each call ends by its CDN soon after it is up.
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import type { L2tpEffect, L2tpInput, L2tpPolicy } from '../../src/l2tp/contract.ts'
import { L2tpCore } from '../../src/l2tp/core.ts'
import { isControl } from '../../src/l2tp/wire/header.ts'
import { Secret } from '../../src/wire/secret.ts'
import { tracePolicy } from '../fakes/l2tp-trace.ts'
import { rootPath } from './lab/roots.ts'
import { until } from './lab/run.ts'
import { interop } from './lab/suite.ts'

const ours = '127.77.0.1'
const theirs = '127.77.0.2'

/** The machine on a socket of its own, in real time. */
class Driver {
  readonly core: L2tpCore
  readonly effects: L2tpEffect[] = []
  readonly #socket: Socket
  #timer: NodeJS.Timeout | undefined

  constructor(policy: Partial<L2tpPolicy>) {
    this.core = new L2tpCore({ ...tracePolicy, ...policy })
    this.#socket = createSocket('udp4')
    this.#socket.on('message', (message, { port }) => {
      const octets = Uint8Array.from(message)
      if (isControl(octets)) this.put({ on: 'control', peer: 1, localPort: 1701, remotePort: port, octets })
    })
  }

  async open(): Promise<this> {
    await new Promise<void>((resolve, reject) => {
      this.#socket.once('error', reject)
      this.#socket.bind(1701, ours, resolve)
    })
    return this
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#socket.close()
  }

  put(input: L2tpInput): void {
    const now = performance.now()
    const random = { octets: (length: number) => Uint8Array.from(randomBytes(length)) }
    for (const effect of this.core.handle(input, { now, random })) {
      this.effects.push(effect)
      if (effect.do === 'send') this.#socket.send(effect.octets, effect.remotePort, theirs)
    }
    clearTimeout(this.#timer)
    const { deadline } = this.core
    if (deadline !== undefined) {
      this.#timer = setTimeout(() => this.put({ on: 'tick' }), Math.max(0, deadline - now) + 1)
    }
  }

  call(): void {
    this.put({ on: 'call', request: 5, peer: 1, localPort: 1701, remotePort: 1701 })
  }

  /** All but the messages themselves, in short. */
  get story(): readonly string[] {
    return this.effects.flatMap((effect) => {
      if (effect.do === 'send') return []
      if (effect.do !== 'report') return [effect.do]
      return [`${effect.event.event}${'why' in effect.event ? `: ${effect.event.why}` : ''}`]
    })
  }

  async heard(words: string | RegExp): Promise<void> {
    const pattern = typeof words === 'string' ? new RegExp(`^${words}`) : words
    await until(`${pattern} among ${this.story.join('; ')}`, () => this.story.some((line) => pattern.test(line)))
  }
}

/** xl2tpd from the guests' tree, run on the machine itself; `said` is its log. */
class Xl2tpd {
  readonly #process: ChildProcess
  readonly #folder: string
  said = ''

  constructor(role: 'lac' | 'lns', secret: string | undefined) {
    this.#folder = mkdtempSync(join(tmpdir(), 'gatehouse-xl2tpd-'))
    const file = (name: string, text: string) => {
      writeFileSync(join(this.#folder, name), text)
      return join(this.#folder, name)
    }
    const authentication = secret === undefined ? '' : 'challenge = yes\nhidden bit = yes\n'
    const lac = `[lac gatehouse]\nlns = ${ours}\nautodial = yes\n`
    const lns = '[lns default]\nip range = 10.9.0.10-10.9.0.20\nlocal ip = 10.9.0.1\nrequire chap = no\n'
    const end = `pppoptfile = ${join(this.#folder, 'none')}\nlength bit = yes\n${authentication}`
    const configuration = `[global]\nport = 1701\nlisten-addr = ${theirs}\n${role === 'lac' ? lac : lns}${end}`
    const options = {
      '-c': file('conf', configuration),
      '-s': file('secrets', secret === undefined ? '' : `* * ${secret}\n`),
      '-p': join(this.#folder, 'pid'),
      '-C': join(this.#folder, 'control'),
    }
    this.#process = spawn(join(rootPath('strongswan'), 'usr/sbin/xl2tpd'), ['-D', ...Object.entries(options).flat()])
    const note = (text: Buffer) => {
      this.said += text.toString()
    }
    this.#process.stdout?.on('data', note)
    this.#process.stderr?.on('data', note)
  }

  async says(words: string): Promise<void> {
    await until(`xl2tpd to say ${words} in: ${this.said}`, () => this.said.includes(words))
  }

  async close(): Promise<void> {
    const gone = new Promise((resolve) => this.#process.once('exit', resolve))
    this.#process.kill('SIGKILL')
    await gone
    rmSync(this.#folder, { recursive: true })
  }
}

interop('L2TP against xl2tpd', () => {
  const open: { close(): unknown }[] = []
  afterEach(async () => {
    for (const one of open.splice(0).reverse()) await one.close()
  })

  async function driver(policy: Partial<L2tpPolicy> = {}): Promise<Driver> {
    const made = await new Driver(policy).open()
    open.push(made)
    return made
  }

  function xl2tpd(role: 'lac' | 'lns', secret?: string): Xl2tpd {
    const made = new Xl2tpd(role, secret)
    open.push(made)
    return made
  }

  test('it calls us: the call comes up, and its CDN and our StopCCN are understood', async () => {
    const gateway = await driver()
    const peer = xl2tpd('lac')
    await peer.says('Call established with 127.77.0.1')
    await gateway.heard('callDown')
    gateway.put({ on: 'shutdown', text: 'closed for the night' })
    await peer.says('(closed for the night)')
    await gateway.heard('idle')
    expect(gateway.story).toEqual([
      'l2tp.tunnel.established',
      'l2tp.session.established',
      'callUp',
      'l2tp.session.closed: The peer ended the session: result 1 (loss of carrier).',
      'callDown',
      'l2tp.tunnel.closed: This end shuts down: closed for the night.',
      'idle',
    ])
  })

  test('it calls us, and both ends prove the L2TP secret; AVPs are hidden', async () => {
    const gateway = await driver({ secret: new Secret('s3cret'), hideAvps: true })
    const peer = xl2tpd('lac', 's3cret')
    await peer.says('Call established with 127.77.0.1')
    await gateway.heard('callUp')
  })

  test('it calls us with another secret', async () => {
    const gateway = await driver({ secret: new Secret('ours') })
    const peer = xl2tpd('lac', 'theirs')
    await peer.says('Invalid authentication for host')
    await gateway.heard(/^l2tp\.tunnel\.refused: .*"Invalid challenge authentication"/)
  })

  test('it calls us without a secret, and we ask for one', async () => {
    const gateway = await driver({ secret: new Secret('ours') })
    xl2tpd('lac')
    await gateway.heard(/^l2tp\.tunnel\.refused: .*This end asks for tunnel authentication/)
  })

  test('it calls us when all ports are in use', async () => {
    const gateway = await driver({ portLimit: 0 })
    const peer = xl2tpd('lac')
    await peer.says('(all 0 ports are in use)')
    await gateway.heard(/^l2tp\.session\.refused: All 0 L2TP ports are in use/)
  })

  test('we call it', async () => {
    const peer = xl2tpd('lns')
    await peer.says('Listening on IP address')
    const lac = await driver()
    lac.call()
    await peer.says('Call established with 127.77.0.1')
    await lac.heard('idle')
    expect(lac.story.slice(0, 3)).toEqual(['l2tp.tunnel.established', 'l2tp.session.established', 'callUp'])
  })

  test('we call it, and both ends prove the L2TP secret; AVPs are hidden', async () => {
    const peer = xl2tpd('lns', 's3cret')
    await peer.says('Listening on IP address')
    const lac = await driver({ secret: new Secret('s3cret'), hideAvps: true })
    lac.call()
    await peer.says('Call established with 127.77.0.1')
    await lac.heard('callUp')
  })

  test('we call it with another secret', async () => {
    const peer = xl2tpd('lns', 'theirs')
    await peer.says('Listening on IP address')
    const lac = await driver({ secret: new Secret('ours') })
    lac.call()
    await lac.heard(/^callFailed/)
    await peer.says('(wrong response to the challenge)')
    await lac.heard(/^l2tp\.tunnel\.refused: The peer's L2TP secret is not ours/)
  })
})
