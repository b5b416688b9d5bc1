// A client that nobody of us wrote: strongSwan or libreswan, xl2tpd and pppd in a guest, driven by one object.
import { randomUUID } from 'node:crypto'
import type { Guest } from './guest.ts'
import { type Host, retransSegs, type Transfer } from './host.ts'
import { addresses, type Network } from './network.ts'
import { pppOptions, swanctlConf, whackConf, xl2tpdClientConf } from './peer-files.ts'
import { type Output, until } from './run.ts'

export type Auth = 'pap' | 'chap' | 'mschap' | 'mschapv2'

/** In PEM; `p12`: the same in PKCS #12 under the password `lab`, as libreswan takes it. */
export type Certificate = {
  own: string
  chain?: readonly string[]
  key: string
  authority: string
  server: string
  p12?: Uint8Array
}

export type Dial = {
  /** Address of the server; the gateway's by default. */
  server?: string
  /** As the gateway writes them: `aes256-sha256-modp2048`, `aes128gcm16`; a group after the ESP proposal asks for PFS. */
  ike: string
  esp: string
  auth: Auth
  user: string
  password: string
  psk: string
  /** Certificates in place of the key, in PEM: ours with those between it and the authority, its key, the authority that the server's must be of, and its subject. */
  certificate?: Certificate
  /** Both lifetimes; absent: an hour and more. */
  lifetimes?: { ikeSeconds: number; espSeconds: number }
  /** SHA2-256 in ESP is cut to 96 bits, as a draft of RFC 4868 said. */
  truncated?: boolean
  /** Lets pppd offer CCP (BSD and deflate), which the gateway must refuse without harm. */
  ccp?: boolean
  /**
   * How long the IKE negotiation may take, in seconds (default 15), and L2TP and PPP after it (default 20); LCP echoes, ten seconds apart, that may stay unanswered
   * (default 6); how often an L2TP message is sent again, after 1, 2, 4 … seconds (default 5).
   */
  patience?: { ike?: number; ppp?: number; echoes?: number; retries?: number }
}

/** `again`: segments that either end sent again. `rates`: Mbit/s of each second. */
export type Load = {
  again: number
  mbitUp: number
  mbitDown: number
  rates: readonly { up: number; down: number }[]
}

type Rate = { bits_per_second: number }

export type Session = { iface: string; address: string; peer: string; dns: string[] }

/** Where a login ended: `ike`: no SA pair, `l2tp`: nobody answered, `ppp`: refused or ended there. */
export type Attempt =
  | { is: 'up'; session: Session; seconds: number }
  | { is: 'refused'; stage: 'lab' | 'ike' | 'l2tp' | 'ppp'; said: string; seconds: number }

/** Seconds that a load may take longer than it should: a busy machine's guests stand still at times. */
const late = 120

/** The logs of the last login must not speak for this one. */
const forget = 'rm -f /run/xl2tpd.log /run/ppp.log /run/ppp-up'
const stages: Readonly<Record<number, 'ike' | 'l2tp' | 'ppp'>> = { 11: 'ike', 20: 'l2tp', 21: 'ppp' }

export class Client {
  readonly guest: Guest
  readonly stack: 'strongswan' | 'libreswan'
  #session: Session | undefined

  constructor(guest: Guest, stack: 'strongswan' | 'libreswan') {
    this.guest = guest
    this.stack = stack
  }

  get name(): string {
    return this.guest.name
  }

  /** The session that is up. */
  get session(): Session {
    if (this.#session === undefined) throw new Error(`${this.name} is not connected`)
    return this.#session
  }

  get connected(): boolean {
    return this.#session !== undefined
  }

  /** Dials once; a refusal is an answer, not an error. */
  async attempt(dial: Dial): Promise<Attempt> {
    if (this.#session !== undefined) await this.disconnect()
    const began = Date.now()
    const ikeSeconds = dial.patience?.ike ?? 15
    const pppSeconds = dial.patience?.ppp ?? 20
    const script = `${forget}\n${this.#ikeUp(dial, ikeSeconds)} || exit $?\n${this.#l2tpUp(dial, pppSeconds)}`
    const { code, stdout, stderr } = await this.guest.sh(script, { timeoutMs: (ikeSeconds + pppSeconds + 15) * 1000 })
    const seconds = (Date.now() - began) / 1000
    if (code === 0) {
      const [iface, address, peer, ...dns] = (stdout.trimEnd().split('\n').at(-1) ?? '').split(' ') as [
        string,
        string,
        string,
      ]
      this.#session = { iface, address, peer, dns: dns.filter((each) => each !== '-') }
      return { is: 'up', session: this.#session, seconds }
    }
    const said = `${stdout}${stderr}${await this.logs()}`
    await this.disconnect()
    return { is: 'refused', stage: stages[code] ?? 'lab', said, seconds }
  }

  /** Dials; a refusal is an error that carries what every part of the client logged. */
  async connect(dial: Dial): Promise<Session> {
    const attempt = await this.attempt(dial)
    if (attempt.is === 'up') return attempt.session
    throw new Error(`${this.name} did not get in (${attempt.stage}, ${attempt.seconds} s):\n${attempt.said}`)
  }

  /** Hangs up as a person would: PPP, L2TP, ESP, IKE, in this order. */
  async disconnect(): Promise<void> {
    this.#session = undefined
    await this.guest.must(`/lab/l2tp.sh down; /lab/${this.stack}.sh down`)
  }

  /** Is gone without a word: the cable is pulled, then every program killed and all state dropped. */
  async vanish(): Promise<void> {
    this.#session = undefined
    await this.guest.cable('out')
    await this.guest.must(`/lab/l2tp.sh kill; /lab/${this.stack}.sh kill`)
    await this.guest.cable('in')
  }

  /** Whether the PPP interface is still there. */
  async up(): Promise<boolean> {
    return (await this.guest.sh('[ -s /run/ppp-up ] && pgrep -x pppd && ip link show ppp0')).code === 0
  }

  /** Echo requests through the tunnel; answers how many came back. */
  async ping(address: string, count = 3, options = ''): Promise<number> {
    const { stdout } = await this.guest.sh(`ping -n -c ${count} -i 0.2 -W 2 ${options} ${address}`)
    return Number(/(\d+) received/.exec(stdout)?.[1] ?? 0)
  }

  /** One TCP transfer through the tunnel, with the checksum of either end. `bytes` may be written 100e6. */
  async transfer(
    direction: 'up' | 'down',
    host: Host,
    bytes: number,
  ): Promise<{ here: string; there: Transfer; mbit: number }> {
    const id = randomUUID().slice(0, 8)
    const began = Date.now()
    const here = await this.guest.must(`/lab/transfer.sh ${direction} ${host.address} 7000 ${bytes} ${id}`, {
      timeoutMs: 240_000,
    })
    const mbit = (bytes * 8) / 1000 / (Date.now() - began)
    return { here, there: await host.transfer(id), mbit: Math.round(mbit) }
  }

  /** Asks the DNS server that the session named (or `server`) for an address record. */
  async resolve(name: string, server = this.session.dns[0]): Promise<string> {
    return (await this.guest.sh(`dig +short +time=2 +tries=2 @${server} ${name} A`)).stdout.trimEnd()
  }

  /** TCP segments that the guest had to send again since it booted. */
  async retransmissions(): Promise<number> {
    return retransSegs(await this.guest.must('nstat -asz TcpRetransSegs'))
  }

  /** The ids that the server gave to this client's L2TP tunnel and session, and the client's `own` of the tunnel, as xl2tpd logged them. */
  async l2tpIds(): Promise<{ tunnel: number; session: number; own: number }> {
    const log = await this.guest.must('cat /run/xl2tpd.log')
    const [, own, tunnel] = /Connection established to .* Local: (\d+), Remote: (\d+)/.exec(log) ?? []
    const session = /Call established with .* Remote: (\d+)/.exec(log)?.[1]
    if (own === undefined || tunnel === undefined || session === undefined)
      throw new Error(`no ids in xl2tpd's log:\n${log}`)
    return { tunnel: Number(tunnel), session: Number(session), own: Number(own) }
  }

  /** Puts a steady load of `mbit` Mbit/s on the tunnel in both directions for `seconds`. */
  async load(
    network: Network,
    host: Host,
    { seconds, mbit, port, write = '8K' }: { seconds: number; mbit: number; port: number; write?: string },
  ): Promise<Load> {
    const server = network.exec(host.place, ['iperf3', '-s', '-1', '-p', `${port}`], {
      timeoutMs: (seconds + late) * 1000,
    })
    await until(`iperf3 to listen on ${port}`, async () =>
      (await network.mustExec(host.place, ['ss', '-lnt'])).includes(`:${port} `),
    )
    const command = `iperf3 -c ${host.address} -p ${port} -t ${seconds} -b ${mbit}M -l ${write} --bidir -J --connect-timeout 5000`
    const { stdout } = await this.guest.sh(command, { timeoutMs: (seconds + late) * 1000 })
    await server
    const { intervals, end, error } = JSON.parse(stdout)
    if (error !== undefined || end?.sum_sent === undefined)
      throw new Error(`iperf3 in ${this.name}: ${error ?? stdout}`)
    return {
      again: end.sum_sent.retransmits + end.sum_sent_bidir_reverse.retransmits,
      mbitUp: end.sum_received.bits_per_second / 1e6,
      mbitDown: end.sum_received_bidir_reverse.bits_per_second / 1e6,
      rates: intervals.map((each: { sum: Rate; sum_bidir_reverse: Rate }) => ({
        up: each.sum.bits_per_second / 1e6,
        down: each.sum_bidir_reverse.bits_per_second / 1e6,
      })),
    }
  }

  /** What charon or pluto, xl2tpd and pppd logged last. */
  async logs(): Promise<string> {
    const files = '/run/charon.log /run/pluto.log /run/xl2tpd.log /run/ppp.log'
    return (await this.guest.sh(`for f in ${files}; do [ -s $f ] && { echo "== $f"; tail -n 40 $f; }; done; true`))
      .stdout
  }

  /** Runs a script in the guest while the session is up, with LOCAL, REMOTE and IFACE set. */
  sh(script: string, options: { timeoutMs?: number } = {}): Promise<Output> {
    const { iface, address, peer } = this.session
    return this.guest.sh(`IFACE=${iface} LOCAL=${address} REMOTE=${peer}\n${script}`, options)
  }

  #ikeUp(dial: Dial, seconds: number): string {
    const server = dial.server ?? addresses.gateway
    const local = this.guest.plug.address.split('/')[0] as string
    if (this.stack === 'strongswan') {
      const conf = this.guest.put('swanctl.conf', swanctlConf({ ...dial, server }))
      return `${dial.certificate ? laid(this.guest, dial.certificate) : ''}/lab/strongswan.sh up ${conf} ${seconds}`
    }
    const conf = this.guest.put('ipsec.conf', whackConf({ ...dial, server, local, gateway: this.guest.plug.gateway }))
    const secrets = this.guest.put('ipsec.secrets', `%any %any : PSK "${dial.psk}"\n`)
    const { p12, authority } = dial.certificate ?? {}
    const taken =
      p12 && authority
        ? `/lab/libreswan.sh credentials ${this.guest.put('own.p12', p12)} ${this.guest.put('ca.pem', authority)} || exit 10\n`
        : ''
    return `${taken}/lab/libreswan.sh up ${conf} ${secrets} ${seconds}`
  }

  #l2tpUp(dial: Dial, seconds: number): string {
    const options = this.guest.put('options', pppOptions(dial))
    const conf = this.guest.put(
      'xl2tpd.conf',
      xl2tpdClientConf(dial.server ?? addresses.gateway, options, dial.patience?.retries),
    )
    return `/lab/l2tp.sh up ${conf} ${seconds}`
  }
}

/** The order that lays certificates where swanctl looks for them. */
export function laid(guest: Guest, { own, chain = [], key, authority }: Certificate): string {
  const copies = [
    ['x509/own.pem', own],
    ['private/own.pem', key],
    ['x509ca/authority.pem', authority],
    ...chain.map((one, i) => [`x509ca/chain-${i}.pem`, one]),
  ].map(([to, text]) => `cp ${guest.put('credential.pem', text as string)} /etc/swanctl/${to}`)
  const folders = '/etc/swanctl/x509 /etc/swanctl/private /etc/swanctl/x509ca'
  return `rm -rf ${folders}; mkdir -p ${folders}; ${copies.join('; ')}\n`
}
