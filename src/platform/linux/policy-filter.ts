// The packet filter of an IPsec policy, by nft. One change after another; a list replaces the former in one transaction.
import { readFileSync, writeFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { ipv4Number } from '../../wire/address.ts'
import type { PacketPolicy, PolicyPlan } from '../packet-policy.ts'
import { type Run, run as runCommand } from './command.ts'
import { markOf, policyRuleset, policyTableOf, steers, withoutPolicyTable } from './policy-ruleset.ts'

/** Our own: before the main table's, behind local addresses'. */
const priority = '100'
/** Behind every other route. */
const lastMetric = '4278198272'

type Listed = { readonly elem?: { readonly val?: unknown } } | string

export class LinuxPacketPolicy implements PacketPolicy {
  readonly #run: Run
  #plan: PolicyPlan | undefined
  #turn: Promise<unknown> = Promise.resolve()

  constructor(run: Run = runCommand) {
    this.#run = run
  }

  facts(): ReturnType<PacketPolicy['facts']> {
    const own = Object.values(networkInterfaces())
      .flatMap((all) => all ?? [])
      .filter(({ family, internal }) => family === 'IPv4' && !internal)
      .map(({ address }) => address)
    return {
      own: [...new Set(own)],
      dns: dnsServers(readText('/etc/resolv.conf')),
      gateway: gateways(readText('/proc/net/route')),
    }
  }

  enforce(plan: PolicyPlan): Promise<void> {
    return this.#next(async () => {
      await this.#steer(plan)
      await this.#run('nft', ['-f', '-'], policyRuleset(plan))
      this.#plan = plan
    })
  }

  wanted(): ReturnType<PacketPolicy['wanted']> {
    return this.#next(async () => {
      const numbers = [...new Set(this.#plan?.filters.flatMap(({ soft }) => soft ?? []) ?? [])]
      const found = []
      for (const soft of numbers) {
        const set = ['set', 'inet', policyTableOf(this.#plan!.device), `wanted${soft}`]
        const text = await this.#run('nft', ['-j', 'list', ...set])
        const peers = elementsOf(text)
        if (peers.length === 0) continue
        await this.#run('nft', ['flush', ...set])
        found.push(...peers.map((peer) => ({ soft, peer })))
      }
      return found
    })
  }

  allowClear(soft: number, peer: string, seconds: number): Promise<void> {
    return this.#element('add', soft, `${peer} timeout ${seconds}s`)
  }

  endClear(soft: number, peer: string): Promise<void> {
    // Its time may be over in the kernel already.
    return this.#element('delete', soft, peer).catch(() => undefined)
  }

  clear(device: string): Promise<void> {
    return this.#next(async () => {
      await this.#run('nft', ['-f', '-'], withoutPolicyTable(policyTableOf(device)))
      await this.#unsteer(device)
      this.#plan = undefined
    })
  }

  /** The way by which marked packets reach the device; before they are marked. */
  async #steer(plan: PolicyPlan): Promise<void> {
    const { device } = plan
    const mark = markOf(device)
    if (!steers(plan)) return this.#unsteer(device)
    const there = await this.#run('ip', ['-4', 'rule', 'list', 'fwmark', mark])
    await this.#run('ip', ['link', 'set', 'dev', device, 'up'])
    await this.#run('ip', ['route', 'replace', 'default', 'dev', device, 'table', mark])
    // What stands behind it when the device is gone: nothing goes by the main table then.
    await this.#run('ip', ['route', 'replace', 'unreachable', 'default', 'metric', lastMetric, 'table', mark])
    if (there.trim() === '')
      await this.#run('ip', ['-4', 'rule', 'add', 'fwmark', mark, 'lookup', mark, 'priority', priority])
    // What comes out of an SA has a source that the mark's table alone leads to the device: a strict reverse path filter asks it. Gone with the device.
    writeFileSync(`/proc/sys/net/ipv4/conf/${device}/src_valid_mark`, '1')
  }

  async #unsteer(device: string): Promise<void> {
    const mark = markOf(device)
    await this.#run('ip', ['-4', 'rule', 'del', 'fwmark', mark]).catch(() => undefined)
    await this.#run('ip', ['-4', 'route', 'flush', 'table', mark]).catch(() => undefined)
  }

  #element(verb: 'add' | 'delete', soft: number, element: string): Promise<void> {
    return this.#next(async () => {
      if (!this.#plan) return
      await this.#run(
        'nft',
        ['-f', '-'],
        `${verb} element inet ${policyTableOf(this.#plan.device)} clear${soft} { ${element} }\n`,
      )
    })
  }

  #next<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work)
    this.#turn = result.catch(() => {})
    return result
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/** IPv4 `nameserver` lines of resolv.conf. */
export function dnsServers(text: string): string[] {
  return [...text.matchAll(/^nameserver\s+(\S+)/gm)].flatMap(([, server]) =>
    ipv4Number(server!) === undefined ? [] : [server!],
  )
}

/** Default gateways of /proc/net/route, where addresses are hex in the machine's octet order (little-endian on all that we run on). */
export function gateways(text: string): string[] {
  return text.split('\n').flatMap((line) => {
    const [, destination, gateway] = line.trim().split(/\s+/)
    if (destination !== '00000000' || !/^[0-9A-F]{8}$/.test(gateway ?? '') || gateway === '00000000') return []
    return [[6, 4, 2, 0].map((at) => Number.parseInt(gateway!.slice(at, at + 2), 16)).join('.')]
  })
}

/** Addresses in a set as `nft -j list set` prints it. */
export function elementsOf(text: string): string[] {
  const { nftables } = JSON.parse(text) as { nftables: { set?: { elem?: Listed[] } }[] }
  return nftables
    .flatMap(({ set }) => set?.elem ?? [])
    .map((each) => (typeof each === 'string' ? each : String(each.elem?.val)))
}
