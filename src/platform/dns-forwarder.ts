// DNS for clients: questions that come to the gateway's inner address go to the machine's own resolvers as they are, and answers come back.
// Nothing is cached and no name is looked at. Each question over UDP goes out from a port and under an ID of its own, chosen by chance, and only
// that resolver's answer to that question is taken; so a client can neither guess into another's question nor flood the resolvers.
import { randomInt } from 'node:crypto'
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import { answers, idOf, isQuery, responseCode, responseCodes, serverFailure, withId } from './dns-message.ts'
import { type DnsTcp, openDnsTcp } from './dns-tcp.ts'
import { resolversOf } from './resolv-conf.ts'

/** Fits the gateway's `Platform.forwardDns`. */
export type DnsForwarder = {
  /** The port really bound, of UDP and TCP. */
  readonly port: number
  readonly close: () => Promise<void>
}

export type DnsForwarderOptions = {
  /** The gateway's inner address; it must be on an interface. */
  readonly address: string
  /** 53, but in tests (0: any free). */
  readonly port?: number
  /** The resolvers of this moment, best first. Those of /etc/resolv.conf unless given; the forwarder's own address among them is passed over. */
  readonly resolvers?: () => readonly string[]
  /** Where resolvers listen: 53, but in tests. */
  readonly resolverPort?: number
  /** Milliseconds until the next resolver is asked. */
  readonly patienceMs?: number
}

/** Each resolver is asked twice at most, and all together not longer than clients wait. */
const rounds = 2
const mostTries = 5
const defaultPatienceMs = 2000
/** Questions under way: in all, and of one client. Beyond its own a client's new ones are dropped, and it asks again; beyond all, who has most loses its oldest. */
const mostQuestions = 512
const mostOfOne = 64

type Question = {
  readonly asked: Uint8Array
  readonly from: RemoteInfo
  /** Resolvers still to be tried, in order. */
  readonly left: string[]
  socket: Socket | undefined
  timer: NodeJS.Timeout | undefined
  /** An answer that says only that this resolver can't, kept in case that none can. */
  refusal: Uint8Array | undefined
}

/** Listens on UDP and TCP. Fails with an Error that says what to do where the port is taken or the address not there. */
export async function openDnsForwarder(options: DnsForwarderOptions): Promise<DnsForwarder> {
  const settings = complete(options)
  const udp = new UdpForwarder(settings)
  let tcp: DnsTcp
  try {
    const port = await udp.listen()
    tcp = await openDnsTcp({ ...settings, port })
  } catch (error) {
    await udp.close()
    throw advised(error as NodeJS.ErrnoException, settings)
  }
  return {
    port: udp.port,
    close: async () => {
      await Promise.all([udp.close(), tcp.close()])
    },
  }
}

type Settings = Required<DnsForwarderOptions>

function complete(options: DnsForwarderOptions): Settings {
  const { address, port = 53, resolverPort = 53, patienceMs = defaultPatienceMs } = options
  const known = options.resolvers ?? resolversOf('/etc/resolv.conf')
  // Asking ourselves would go round for ever.
  const resolvers = () => known().filter((resolver) => resolver !== address || resolverPort !== port)
  return { address, port, resolvers, resolverPort, patienceMs }
}

function advised(error: NodeJS.ErrnoException, { address, port }: Settings): Error {
  const advice =
    error.code === 'EADDRINUSE'
      ? `another DNS server of this machine listens on ${address} or on every address. It answers clients itself then; bind it to its own addresses if it should not.`
      : error.code === 'EADDRNOTAVAIL'
        ? 'the address is on no interface.'
        : error.code === 'EACCES' || error.code === 'EPERM'
          ? 'ports below 1024 take CAP_NET_BIND_SERVICE: run as root, or by the unit in packaging/.'
          : error.message
  return Object.assign(new Error(`DNS can't be forwarded at ${address} port ${port}: ${advice}`, { cause: error }), {
    code: error.code,
  })
}

class UdpForwarder {
  readonly #settings: Settings
  readonly #socket: Socket
  readonly #questions = new Map<string, Question>()
  readonly #ofClient = new Map<string, number>()
  #closed = false

  constructor(settings: Settings) {
    this.#settings = settings
    this.#socket = createSocket(isIPv6(settings.address) ? 'udp6' : 'udp4')
    this.#socket.on('message', (message, from) => this.#ask(new Uint8Array(message), from))
  }

  get port(): number {
    return this.#socket.address().port
  }

  listen(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#socket.once('error', reject)
      this.#socket.bind({ address: this.#settings.address, port: this.#settings.port, exclusive: true }, () => {
        this.#socket.off('error', reject)
        // An ICMP error for an answer that nobody waited for is no trouble of ours.
        this.#socket.on('error', () => {})
        resolve(this.port)
      })
    })
  }

  close(): Promise<void> {
    if (this.#closed) return Promise.resolve()
    this.#closed = true
    for (const [key, question] of [...this.#questions]) this.#forget(key, question)
    return new Promise((resolve) => this.#socket.close(() => resolve()))
  }

  #ask(asked: Uint8Array, from: RemoteInfo): void {
    // Port 0 is legal to send from and impossible to answer: node:dgram throws on it.
    if (from.port === 0 || !isQuery(asked)) return
    // The same question again, while it is under way, changes nothing.
    const key = `${from.address} ${from.port} ${idOf(asked)}`
    const ofOne = this.#ofClient.get(from.address) ?? 0
    if (this.#questions.has(key) || ofOne >= mostOfOne) return
    if (this.#questions.size >= mostQuestions && !this.#makeRoom(ofOne)) return
    const resolvers = this.#settings.resolvers()
    const left = Array.from({ length: rounds }, () => resolvers)
      .flat()
      .slice(0, mostTries)
    const question: Question = { asked, from, left, socket: undefined, timer: undefined, refusal: undefined }
    this.#questions.set(key, question)
    this.#ofClient.set(from.address, ofOne + 1)
    this.#next(key, question)
  }

  /** Drops the oldest question of the client with most, unless that is the one who asks. */
  #makeRoom(ofOne: number): boolean {
    const [address, most] = [...this.#ofClient].reduce((a, b) => (b[1] > a[1] ? b : a))
    if (most <= ofOne) return false
    const [key, question] = [...this.#questions].find(([, { from }]) => from.address === address)!
    this.#forget(key, question)
    return true
  }

  /** Asks the next resolver, or gives up. */
  #next(key: string, question: Question): void {
    this.#stop(question)
    const resolver = question.left.shift()
    if (resolver === undefined) return this.#answer(key, question, question.refusal ?? serverFailure(question.asked))
    const out = withId(question.asked, randomInt(0x1_0000))
    const socket = createSocket(isIPv6(resolver) ? 'udp6' : 'udp4')
    question.socket = socket
    const again = () => {
      if (question.socket === socket) this.#next(key, question)
    }
    socket.on('error', again)
    // Connected: the kernel takes nothing from anybody else, and says so where nobody listens.
    socket.on('message', (message) => {
      if (question.socket === socket) this.#answered(key, question, out, new Uint8Array(message))
    })
    socket.on('connect', () => {
      if (question.socket === socket) socket.send(out)
    })
    socket.connect(this.#settings.resolverPort, resolver)
    question.timer = setTimeout(again, this.#settings.patienceMs)
  }

  #answered(key: string, question: Question, out: Uint8Array, message: Uint8Array): void {
    if (!answers(message, out)) return
    const answer = withId(message, idOf(question.asked))
    const code = responseCode(message)
    if (
      code !== responseCodes.serverFailure &&
      code !== responseCodes.refused &&
      code !== responseCodes.notImplemented
    ) {
      return this.#answer(key, question, answer)
    }
    question.refusal = answer
    this.#next(key, question)
  }

  #answer(key: string, question: Question, answer: Uint8Array): void {
    this.#forget(key, question)
    if (!this.#closed) this.#socket.send(answer, question.from.port, question.from.address)
  }

  #forget(key: string, question: Question): void {
    this.#stop(question)
    this.#questions.delete(key)
    const { address } = question.from
    const left = (this.#ofClient.get(address) ?? 1) - 1
    if (left > 0) this.#ofClient.set(address, left)
    else this.#ofClient.delete(address)
  }

  #stop(question: Question): void {
    clearTimeout(question.timer)
    question.socket?.close()
    question.socket = undefined
  }
}
