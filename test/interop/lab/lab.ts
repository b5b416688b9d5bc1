// A whole lab for one test file: network, guests, hosts, gateway; and its end, whatever happens in between.
import { Client } from './client.ts'
import { type Belongings, belongings, Gateway, type GatewaySettings } from './gateway.ts'
import { type GatewayHost, gatewayIn, openGatewayHost, whenWanted } from './gateway-host.ts'
import { Guest } from './guest.ts'
import { Host } from './host.ts'
import { type Lease, lease, reapAbandoned } from './lease.ts'
import { addresses, direct, Network, type Plug } from './network.ts'
import { ensurePackages } from './packages.ts'
import { ensureRoots, type RootName } from './roots.ts'

export type Lab = {
  lease: Lease
  network: Network
  /** The host behind the gateway. */
  inside: Host
  /** The host on the other side of the public network. */
  internet: Host
  /** Boots a guest, plugged in directly at 192.0.2.`host` (or as `plug` says). */
  guest(name: string, root: RootName, plug: Plug): Promise<Guest>
  /** Boots a guest and makes it a client. */
  client(name: string, stack: RootName, host: number | Plug): Promise<Client>
  /** Where gateways run; a guest is booted when it is first asked for. */
  gatewayHost(): Promise<GatewayHost>
  gateway(settings: GatewaySettings, name?: string): Promise<Gateway>
  /** What lies where the gateway runs and could be a gateway's. */
  belongings(): Promise<Belongings>
  close(): Promise<void>
}

/** `where` the gateway's cables end: what the environment says, unless a measurement brings its own guest. */
export async function openLab(where = gatewayIn): Promise<Lab> {
  await ensurePackages()
  await ensureRoots()
  await reapAbandoned()
  const held = lease()
  try {
    const network = new Network(held)
    await network.lay(where)
    const [inside, internet] = await Promise.all([
      Host.start('inside', addresses.inside, network),
      Host.start('internet', addresses.far, network),
    ])
    const guest = (name: string, root: RootName, plug: Plug) => Guest.boot({ name, root, plug }, held, network)
    const gatewayHost = whenWanted(() => openGatewayHost(held, network))
    return {
      lease: held,
      network,
      inside,
      internet,
      guest,
      client: async (name, stack, host) =>
        new Client(await guest(name, stack, typeof host === 'number' ? direct(host) : host), stack),
      gatewayHost,
      gateway: async (settings, name) => Gateway.start(await gatewayHost(), settings, name),
      belongings: async () => belongings(await gatewayHost()),
      close: () => held.release(),
    }
  } catch (error) {
    await held.release()
    throw error
  }
}
