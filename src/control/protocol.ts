// The control protocol between a running gateway and its commands: lines of JSON over a Unix socket in the state folder.
// A request is `{ id, ask, … }`; each is answered by one `{ id, is: 'ok' | 'failed', … }`; after `events` further lines `{ id, is: 'event', … }` follow.

/** The socket's name in the state folder. */
export const socketName = 'control.sock'
/** The longest line that either side reads, in octets. */
export const longestLine = 16 * 1024 * 1024
/** The longest line that the gateway reads. */
export const longestRequest = 64 * 1024

export type Ask =
  | { readonly ask: 'status' }
  /** Ends the sessions of a user, or the one with this inner address. */
  | { readonly ask: 'disconnect'; readonly target: string }
  /** Reads the configuration file again, as SIGHUP does. */
  | { readonly ask: 'reload' }
  /** The process starts anew and no session ends; refused where one would. */
  | { readonly ask: 'restart' }
  /** All events from now on. */
  | { readonly ask: 'events' }
  /** Says goodbye to everybody and ends, as SIGTERM does. */
  | { readonly ask: 'stop' }

export type Request = Ask & { readonly id: number }

export type Reply =
  | { readonly id: number; readonly is: 'ok'; readonly value: unknown }
  | { readonly id: number; readonly is: 'failed'; readonly message: string }
  | { readonly id: number; readonly is: 'event'; readonly record: EventRecord }

export type EventRecord = {
  /** ISO 8601. */
  readonly at: string
  readonly level: string
  readonly event: string
  readonly sentence: string
  readonly facts: Readonly<Record<string, unknown>>
}

export type Status = {
  readonly hostname: string
  readonly dataplane: string
  /** Engine, workers, offloads, in words. */
  readonly description: string
  /** ISO 8601: since when the gateway runs. */
  readonly since: string
  readonly pool: { readonly size: number; readonly used: number }
  readonly ikeSas: readonly IkeSaRow[]
  readonly sessions: readonly SessionRow[]
  /** L2TP's. */
  readonly tunnels: readonly TunnelRow[]
  readonly policy?: PolicyStatus
  readonly sites: readonly SiteRow[]
  /** Events since the start, by name; counters of the data plane, by name. */
  readonly events: Readonly<Record<string, number>>
  readonly counters: Readonly<Record<string, number>>
}

export type PolicyStatus = {
  readonly assigned: string | undefined
  readonly builtInL2tpRule: boolean
  /** The active filters in the order of decision, as `policy show` prints them; no key is among it. */
  readonly filters: readonly Readonly<Record<string, unknown>>[]
  /** Peers that don't speak IPsec and that a rule lets through in clear, until when. */
  readonly soft: readonly {
    readonly rule: string
    readonly peer: string
    readonly since: string
    readonly until: string
  }[]
  /** What rules protect in transport mode now. */
  readonly secured: readonly SecuredRow[]
}

export type SecuredRow = {
  readonly rule: string
  /** Outer address and port. */
  readonly peer: string
  /** The filter between the two hosts. */
  readonly traffic: string
  readonly ike: string
  readonly esp: string
  readonly weak: boolean
  /** ISO 8601. */
  readonly since: string
}

export type SessionRow = {
  readonly session: number
  readonly user: string
  readonly address: string
  /** The client's outer address and port. */
  readonly peer: string
  readonly natted: boolean
  readonly client: string
  /** What the client calls itself in L2TP, escaped. */
  readonly hostName: string
  readonly authentication: string
  /** Proposals: `aes256-sha1-modp2048`, `aes128-sha1`. */
  readonly ike: string
  readonly esp: string
  readonly weak: boolean
  /** ISO 8601. */
  readonly since: string
  /** Octets of inner IP packets; in: from the client. */
  readonly bytesIn: number
  readonly bytesOut: number
  readonly packetsIn: number
  readonly packetsOut: number
}

export type IkeSaRow = {
  readonly id: number
  readonly peer: string
  readonly role: string
  readonly state: string
  readonly proposal: string | undefined
  readonly weak: boolean
  readonly natted: boolean
  readonly client: string
  readonly identity: string | undefined
  /** ISO 8601. */
  readonly since: string | undefined
  readonly expires: string | undefined
  readonly esp: readonly {
    readonly inboundSpi: string
    readonly outboundSpi: string
    readonly proposal: string
    readonly state: string
    readonly since: string
  }[]
}

/** Another gateway, up or not. */
export type SiteRow = {
  readonly site: string
  readonly mode: 'tunnel' | 'l2tp'
  readonly state: 'up' | 'connecting' | 'down'
  /** The peer's outer address and port, while it is up. */
  readonly peer: string | undefined
  readonly natted: boolean
  readonly ike: string | undefined
  readonly esp: string | undefined
  readonly weak: boolean
  /** ISO 8601. */
  readonly since: string | undefined
  /** Why it is not up, in words. */
  readonly why: string | undefined
  /** One for each of our networks and each of theirs that is joined: `10.1.0.0/16 - 10.2.0.0/16`. */
  readonly networks: readonly string[]
  /** Octets and packets of inner IP; in: from the site. */
  readonly bytesIn: number
  readonly bytesOut: number
  readonly packetsIn: number
  readonly packetsOut: number
}

export type TunnelRow = {
  readonly peer: string
  readonly localTunnel: number
  readonly remoteTunnel: number
  readonly hostName: string
  readonly state: string
  readonly since: string
  readonly sessions: readonly number[]
}

/** What a line asks; a sentence where it asks nothing that is known. */
export function parseRequest(line: string): Request | string {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return 'the request is no JSON'
  }
  if (typeof value !== 'object' || value === null) return 'the request is no object'
  const { id, ask, target } = value as Record<string, unknown>
  if (typeof id !== 'number' || !Number.isSafeInteger(id)) return 'the request has no id'
  if (ask === 'status' || ask === 'reload' || ask === 'events' || ask === 'restart' || ask === 'stop')
    return { id, ask }
  if (ask === 'disconnect')
    return typeof target === 'string' && target !== ''
      ? { id, ask, target }
      : 'disconnect needs a target: a user or an inner address'
  return 'the request asks for nothing known: status, disconnect, reload, restart, events and stop are'
}

/** Cuts a stream into lines; throws where one is longer than `longest` characters. */
export class Lines {
  readonly #longest: number
  #rest = ''

  constructor(longest: number) {
    this.#longest = longest
  }

  push(chunk: string): string[] {
    const lines = (this.#rest + chunk).split('\n')
    this.#rest = lines.pop()!
    if (this.#rest.length > this.#longest || lines.some((line) => line.length > this.#longest))
      throw new RangeError(`a line is longer than ${this.#longest} characters`)
    return lines.filter((line) => line.trim() !== '')
  }
}
