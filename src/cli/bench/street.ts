// What tunnels are measured in: servers and clients in network namespaces of their own with a wire between each two, and the processes that hold them up.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { typable } from '../../control/typable.ts'
import { runHere, ScratchNamespace } from '../scratch-namespace.ts'
import type { EndOptions } from './end.ts'
import { Held } from './held.ts'
import { serveIperf } from './iperf.ts'

const gatehouse = fileURLToPath(new URL('../../../gatehouse', import.meta.url))
const end = fileURLToPath(new URL('./end.ts', import.meta.url))

/** Every client's, so that what is in a segment is the same. */
const mtu = 1400
const user = 'bench'
const inner = { gateway: '10.99.0.1', nothing: '10.98.0.1', nothingPeer: '10.98.0.2' } as const
const nothingPort = 4700

/** Where a figure is measured: TCP from this namespace to that address. */
export type House = { readonly name: string; readonly namespace: ScratchNamespace; readonly server: string }

/** A client's namespace, and the address of the server on the wire between the two. */
export type Wire = { readonly client: ScratchNamespace; readonly address: string }

export class Street {
  readonly houses: House[] = []
  readonly folder = mkdtempSync(join(tmpdir(), 'gatehouse-bench-'))
  readonly secrets = { user, psk: typable(6), password: typable(4) }
  readonly #namespaces: ScratchNamespace[] = []
  readonly #held: Held[] = []
  readonly #endings: (() => Promise<void>)[] = []
  #wires = 0
  #closed = false

  /** A signal closes it; `body` then fails by what it misses. */
  static async during<T>(body: (street: Street) => Promise<T>): Promise<T> {
    const street = new Street()
    const stop = () => void street.close()
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop)
    try {
      return await body(street)
    } finally {
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, stop)
      await street.close()
    }
  }

  async namespace(): Promise<ScratchNamespace> {
    const namespace = await ScratchNamespace.open()
    this.#namespaces.push(namespace)
    return namespace
  }

  /** A new client's namespace with a wire to the server's. */
  async wire(server: ScratchNamespace): Promise<Wire> {
    const client = await this.namespace()
    const number = ++this.#wires
    const [ours, theirs] = [`wire${number}`, 'wire']
    const pair = ['link', 'add', ours, 'netns', server.pid, 'type', 'veth', 'peer', 'name', theirs, 'netns', client.pid]
    runHere('ip', pair)
    const network = 4 * number
    for (const [namespace, device, host] of [
      [server, ours, 1],
      [client, theirs, 2],
    ] as const) {
      namespace.run('ip', ['address', 'add', `192.0.2.${network + host}/30`, 'dev', device])
      namespace.run('ip', ['link', 'set', device, 'up'])
    }
    return { client, address: `192.0.2.${network + 1}` }
  }

  /** A process that stays until the street is closed. */
  async hold(
    what: string,
    line: readonly [file: string, args: readonly string[]],
    environment: Readonly<Record<string, string>> = {},
    by: NodeJS.Signals = 'SIGTERM',
  ): Promise<Held> {
    const held = await Held.start(what, line, environment, by)
    this.#held.push(held)
    return held
  }

  /** Our gateway, with the user of `secrets`. */
  async startGateway(server: ScratchNamespace): Promise<Held> {
    const config = join(this.folder, 'gatehouse.yaml')
    writeFileSync(
      config,
      `security: compatible
dataplane: userland
remoteAccess:
  preSharedKey: ${this.secrets.psk}
  addressPool: 10.99.0.10-10.99.0.20
  gatewayServices: true
users: [{ name: ${user}, password: ${this.secrets.password} }]
`,
      { mode: 0o600 },
    )
    const state = join(this.folder, 'state')
    return this.hold('the gateway', server.enter([gatehouse, 'up', '--config', config, '--state', state]))
  }

  /** Our client in a namespace of its own, in a session with the server at the other end of a new wire; TCP goes to `inside`. */
  async dial(
    name: string,
    server: ScratchNamespace,
    options: readonly string[],
    inside: string = inner.gateway,
    at?: Wire,
  ): Promise<void> {
    const { client, address } = at ?? (await this.wire(server))
    const who = ['--server', address, '--user', user, '--mru', String(mtu), '--encapsulate', '--device', 'ghbench']
    // cat keeps the session until its stdin ends.
    const line = [gatehouse, 'connect', ...who, ...options, '--', 'sh', '-c', 'echo ready; exec cat']
    const secrets = { GATEHOUSE_PSK: this.secrets.psk, GATEHOUSE_PASSWORD: this.secrets.password }
    await this.hold(`a client of ${name}`, client.enter(line), secrets)
    this.houses.push({ name, namespace: client, server: inside })
  }

  /** The tunnel without encryption and without a control plane, over a wire that is there. */
  async connectNothing(name: string, server: ScratchNamespace, { client, address }: Wire): Promise<void> {
    const other = address.replace(/\d+$/, (last) => String(Number(last) + 1))
    const shared = { tun: 'ghnothing', port: nothingPort, engine: 'do-nothing', mtu }
    const there = { address: inner.nothing, peer: inner.nothingPeer, local: address, remote: other }
    const here = { address: inner.nothingPeer, peer: inner.nothing, local: other, remote: address }
    const ends: readonly [ScratchNamespace, EndOptions][] = [
      [server, { ...shared, ...there, inboundSpi: 4096, outboundSpi: 4097 }],
      [client, { ...shared, ...here, inboundSpi: 4097, outboundSpi: 4096 }],
    ]
    for (const [namespace, options] of ends) {
      await this.hold('a tunnel without encryption', namespace.enter([process.execPath, end, JSON.stringify(options)]))
    }
    this.houses.push({ name, namespace: client, server: inner.nothing })
  }

  async serve(server: ScratchNamespace): Promise<void> {
    this.#endings.push(await serveIperf(server))
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    for (const ending of this.#endings) await ending()
    // Clients first, so that they can say goodbye.
    for (const process of this.#held.toReversed()) await process.stop()
    for (const namespace of this.#namespaces.toReversed()) await namespace.close()
    rmSync(this.folder, { recursive: true, force: true })
  }
}
