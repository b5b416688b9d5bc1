// Ten thousand IKE initiators as one machine: an IkeCore for each client, told apart by its outer address, since one core takes all SAs to one
// gateway for one peer's. Each client believes in the same private address, as behind ten thousand home routers; numbers of peers
// and jobs are made unique by the client's number.
import type { IkeEffect, IkeInput, IkePolicy, IkeSaStatus, StandingPeer } from '../../ike/contract.ts'
import { IkeCore } from '../../ike/core.ts'
import type { Path } from '../../wire/address.ts'
import { Deadlines } from '../../wire/deadlines.ts'
import type { At, Instant, Machine } from '../../wire/machine.ts'

const privateAddress = '192.168.1.2'
/** Numbers of jobs and peers that one client may use up. The data plane has 32 bits for a peer: 65,536 clients. */
const most = 65_536

type Client = { readonly core: IkeCore; readonly outer: string; readonly base: number }

export class FleetIke implements Machine<IkeInput, IkeEffect> {
  readonly #policy: IkePolicy
  readonly #byAddress = new Map<string, Client>()
  readonly #clients: Client[] = []
  readonly #deadlines = new Deadlines<Client>()

  constructor(policy: IkePolicy) {
    this.#policy = policy
  }

  get deadline(): Instant | undefined {
    return this.#deadlines.next
  }

  handle(input: IkeInput, at: At): readonly IkeEffect[] {
    switch (input.on) {
      case 'tick':
        return this.#tick(at)
      case 'heard':
        return this.#heard(input, at)
      case 'shutdown':
        return this.#clients.flatMap((client) => this.#hand(client, input, at))
      case 'policy':
        return []
      case 'datagram':
      case 'connect': {
        const outer = input.path.local.address
        const client = this.#byAddress.get(outer) ?? (input.on === 'connect' ? this.#add(outer) : undefined)
        if (!client) return []
        return this.#hand(client, { ...input, path: withLocal(input.path, privateAddress) }, at)
      }
      case 'done':
      case 'installed': {
        const client = this.#at(input.job)
        return this.#hand(client, { ...input, job: input.job - client.base }, at)
      }
      case 'moved': {
        const client = this.#at(input.peer)
        const path = withLocal(input.path, privateAddress)
        return this.#hand(client, { ...input, peer: input.peer - client.base, path }, at)
      }
      default: {
        const client = this.#at(input.peer)
        return this.#hand(client, { ...input, peer: input.peer - client.base }, at)
      }
    }
  }

  status(): readonly IkeSaStatus[] {
    return []
  }

  standing(): readonly StandingPeer[] {
    return []
  }

  changes(): ReadonlyMap<string, unknown> {
    return new Map()
  }

  #add(outer: string): Client {
    const client = { core: new IkeCore(this.#policy), outer, base: this.#clients.length * most }
    this.#clients.push(client)
    this.#byAddress.set(outer, client)
    return client
  }

  #at(number: number): Client {
    return this.#clients[Math.floor(number / most)]!
  }

  #tick(at: At): readonly IkeEffect[] {
    const effects: IkeEffect[] = []
    for (let client = this.#deadlines.due(at.now); client; client = this.#deadlines.due(at.now))
      effects.push(...this.#hand(client, { on: 'tick' }, at))
    return effects
  }

  #heard({ pairs }: IkeInput & { on: 'heard' }, at: At): readonly IkeEffect[] {
    return pairs.flatMap((pair) => {
      const client = this.#at(pair.peer)
      return this.#hand(client, { on: 'heard', pairs: [{ ...pair, peer: pair.peer - client.base }] }, at)
    })
  }

  #hand(client: Client, input: IkeInput, at: At): readonly IkeEffect[] {
    const effects = client.core.handle(input, at)
    this.#deadlines.set(client, client.core.deadline)
    return effects.flatMap((effect) => outside(client, effect) ?? [])
  }
}

/** What a client wants, as the endpoint hears it. What it reports nobody reads. */
function outside({ base, outer }: Client, effect: IkeEffect): IkeEffect | undefined {
  switch (effect.do) {
    case 'report':
      return undefined
    case 'send':
    case 'keepalive':
      return { ...effect, path: withLocal(effect.path, outer) }
    case 'work':
      return { ...effect, job: effect.job + base }
    case 'install': {
      const { pair } = effect
      const path = withLocal(pair.path, outer)
      return { ...effect, job: effect.job + base, pair: { ...pair, peer: pair.peer + base, path } }
    }
    case 'move':
    case 'peerUp':
      return { ...effect, peer: effect.peer + base, path: withLocal(effect.path, outer) }
    case 'use':
    case 'remove':
    case 'peerGone':
      return { ...effect, peer: effect.peer + base }
    default:
      return effect
  }
}

function withLocal({ local, remote }: Path, address: string): Path {
  return { local: { address, port: local.port }, remote }
}
