// The lab's network, all of it inside namespaces of its own, so that nothing of the machine itself is touched:
//
//   internet ──┐
//   gw ────────┤                       gw: the gateway under test, 192.0.2.1 outside, 10.1.0.1 inside
//   softether ─┤ pub 192.0.2.0/24      hub: the bridges and every guest's tap; a guest is replugged by
//   dialler ───┤                            moving its tap to another bridge
//   guests ────┤                       router: masquerades the private network 192.168.77.0/24
//   router ────┘                       c1…c4: one more NAT each before it, so that four guests that all
//     ├── nat 192.168.77.0/24               carry 192.168.1.10 come out of the router's one address
//     └── c1…c4 192.168.1.0/24 each
//   gw ── inside 10.1.0.0/24           inside: the host behind the gateway
//
// Where the gateway runs in a guest, gw is empty: the guest has one tap on pub and one on the bridge `in`, with the same addresses.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Lease } from './lease.ts'
import { must, type Output, type RunOptions, run } from './run.ts'

export const addresses = {
  gateway: '192.0.2.1',
  router: '192.0.2.100',
  softether: '192.0.2.60',
  dialler: '192.0.2.70',
  internet: '192.0.2.254',
  /** An address of the internet host that is reached by routing only. */
  far: '198.51.100.7',
  gatewayInside: '10.1.0.1',
  inside: '10.1.0.2',
} as const

/** Where a guest's cable ends, and what address it has there. */
export type Plug = { bridge: string; address: string; gateway: string }

/** The gateway's two cables, where it is a guest. */
export const gatewayPlugs: { readonly outside: Plug; readonly inside: Plug } = {
  outside: { bridge: 'pub', address: `${addresses.gateway}/24`, gateway: addresses.internet },
  inside: { bridge: 'in', address: `${addresses.gatewayInside}/24`, gateway: '' },
}

/** Directly on the public network. */
export const direct = (host: number): Plug => ({
  bridge: 'pub',
  address: `192.0.2.${host}/24`,
  gateway: addresses.internet,
})
/** Behind the router, with an address of its own. */
export const behindNat = (host: number): Plug => ({
  bridge: 'nat',
  address: `192.168.77.${host}/24`,
  gateway: '192.168.77.1',
})
/** Behind the router and a NAT of its own before it (1 to 4): every such guest has the same address. */
export const sameAddress = (which: number): Plug => ({
  bridge: `c${which}`,
  address: '192.168.1.10/24',
  gateway: '192.168.1.1',
})

export type Place = 'hub' | 'gw' | 'inside' | 'internet' | 'router' | 'softether' | 'dialler' | `c${number}`

export class Network {
  readonly #lease: Lease

  constructor(lease: Lease) {
    this.#lease = lease
  }

  /** The namespace's name on this machine. */
  ns(place: Place): string {
    return `${this.#lease.tag}-${place}`
  }

  /** Runs a program in a namespace. */
  exec(place: Place, command: readonly string[], options?: RunOptions): Promise<Output> {
    return run('ip', ['netns', 'exec', this.ns(place), ...command], options)
  }

  async mustExec(place: Place, command: readonly string[], options?: RunOptions): Promise<string> {
    return must('ip', ['netns', 'exec', this.ns(place), ...command], options)
  }

  /** Lays all of it; the gateway's cables end in its namespace, or where a guest can be plugged in. */
  async lay(gatewayIn: 'namespace' | 'guest' = 'namespace'): Promise<void> {
    const inner: Place[] = ['c1', 'c2', 'c3', 'c4']
    const places: Place[] = ['hub', 'gw', 'inside', 'internet', 'router', 'softether', 'dialler', ...inner]
    for (const place of places) await must('ip', ['netns', 'add', this.ns(place)])
    const resolver = join('/etc/netns', this.ns('gw'))
    mkdirSync(resolver, { recursive: true })
    writeFileSync(join(resolver, 'resolv.conf'), `nameserver ${addresses.far}\n`)
    for (const place of places) await this.#ip(place, ['link set lo up'])
    const bridges = ['pub', 'nat', 'in', ...inner]
    await this.#ip(
      'hub',
      bridges.flatMap((name) => [
        `link add ${name} type bridge stp_state 0 forward_delay 0`,
        `link set dev ${name} up`,
      ]),
    )
    await this.#patch('internet', 'eth0', 'pub', `${addresses.internet}/24`)
    await this.#patch('router', 'eth0', 'pub', `${addresses.router}/24`, addresses.internet)
    await this.#patch('softether', 'eth0', 'pub', `${addresses.softether}/24`, addresses.internet)
    await this.#patch('dialler', 'eth0', 'pub', `${addresses.dialler}/24`, addresses.internet)
    await this.#patch('router', 'nat', 'nat', '192.168.77.1/24')
    for (const [index, place] of inner.entries()) {
      const net = `10.200.${index + 1}`
      await this.#ip('router', [`link add up${index + 1} type veth peer name eth0 netns ${this.ns(place)}`])
      await this.#ip('router', [`address add ${net}.1/30 dev up${index + 1}`, `link set up${index + 1} up`])
      await this.#ip(place, [`address add ${net}.2/30 dev eth0`, 'link set eth0 up', `route add default via ${net}.1`])
      await this.#patch(place, 'lan', place, '192.168.1.1/24')
    }
    await this.#ip('internet', [`address add ${addresses.far}/32 dev lo`])
    if (gatewayIn === 'guest') await this.#patch('inside', 'eth0', 'in', `${addresses.inside}/24`)
    else await this.#connectGateway()
    await this.#ip('inside', [`route add default via ${addresses.gatewayInside} rto_min 2s`])
    // As in the guests: a segment sent again shall mean a lost packet, not a busy machine.
    await this.mustExec('inside', ['sysctl', '-qw', 'net.ipv4.tcp_early_retrans=0'])
    for (const place of ['router', 'internet', ...inner] as Place[])
      await this.mustExec(place, ['sysctl', '-qw', 'net.ipv4.ip_forward=1'])
    for (const place of ['router', ...inner] as Place[])
      await this.mustExec(place, ['nft', '-f', '-'], { input: masquerade })
  }

  async #connectGateway(): Promise<void> {
    await this.#patch('gw', 'eth0', 'pub', `${addresses.gateway}/24`, addresses.internet)
    await this.#ip('gw', [`link add eth1 type veth peer name eth0 netns ${this.ns('inside')}`])
    await this.#ip('gw', [`address add ${addresses.gatewayInside}/24 dev eth1`, 'link set eth1 up'])
    await this.#ip('inside', [`address add ${addresses.inside}/24 dev eth0`, 'link set eth0 up'])
  }

  /** Makes a guest's tap and plugs it in. */
  async tap(name: string, plug: Plug): Promise<void> {
    await this.#ip('hub', [`tuntap add mode tap name ${name} vnet_hdr`])
    await this.connect(name, plug)
    await this.#ip('hub', [`link set dev ${name} up`])
  }

  async connect(name: string, plug: Plug): Promise<void> {
    await this.#ip('hub', [`link set dev ${name} master ${plug.bridge}`])
  }

  /** Pulls the cable: the tap stays up (the guest's driver would not survive), but leads nowhere. */
  async unplug(name: string): Promise<void> {
    await this.#ip('hub', [`link set dev ${name} nomaster`])
  }

  /** A cable from a namespace to a bridge. */
  async #patch(place: Place, device: string, bridge: string, address: string, gateway?: string): Promise<void> {
    const port = `${bridge}.${place}`.slice(0, 15)
    await this.#ip('hub', [`link add ${port} type veth peer name ${device} netns ${this.ns(place)}`])
    await this.#ip('hub', [`link set dev ${port} master ${bridge}`, `link set dev ${port} up`])
    await this.#ip(place, [`address add ${address} dev ${device}`, `link set dev ${device} up`])
    if (gateway !== undefined) await this.#ip(place, [`route add default via ${gateway}`])
  }

  async #ip(place: Place, commands: readonly string[]): Promise<void> {
    await must('ip', ['-n', this.ns(place), '-batch', '-'], { input: `${commands.join('\n')}\n` })
  }
}

const masquerade = `table ip lab {
  chain out {
    type nat hook postrouting priority srcnat
    oifname "eth0" masquerade
  }
}
`
