// WAN and LAN by systemd-networkd itself, which reads what `system apply` writes: a provider with dnsmasq, an office with a DHCP client.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Configuration } from '../../src/config/configuration.ts'
import { write } from '../../src/system/disk.ts'
import { systemFiles } from '../../src/system/files.ts'
import { must, until } from '../interop/lab/run.ts'
import { configured, isRoot, type Place, World } from './world.ts'

const scripts = join(import.meta.dirname, '../../images/overlay/usr/lib/gatehouse')
const lan = 'lan: { ports: [lan0, lan1], address: 192.168.1.1/24, dhcpServer: 192.168.1.100-192.168.1.199 }'

describe.skipIf(!isRoot)('the network (needs root)', () => {
  let world: World

  beforeEach(async () => {
    world = await World.open()
  })

  afterEach(() => world?.close())

  /** The files of /etc below a folder of the place's own. */
  function etcOf(place: Place, files: Readonly<Record<string, string>>): string {
    const root = join(world.folder, place)
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true })
      writeFileSync(join(root, path), text)
    }
    mkdirSync(join(root, 'run/netif'), { recursive: true })
    return root
  }

  function apply(configuration: Configuration): string {
    const root = etcOf('board', {})
    const wanted = systemFiles(configuration, undefined)
    const changes = wanted.map((file) => ({ wanted: file, before: { ...file, is: 'absent' as const } }))
    write(changes, root)
    return root
  }

  /** networkd with a /run and an /etc/systemd/network of its own; /sys read-only, so that it doesn't wait for udev. */
  function networkd(place: Place, root: string): () => string {
    const { text } = world.start(
      place,
      `exec unshare --mount sh -ec '
      mount -t tmpfs run /run
      mkdir -p /run/systemd/netif/links /run/systemd/netif/leases /run/systemd/netif/lldp
      mount --bind ${root}/run/netif /run/systemd/netif
      mkdir -p /run/systemd/netif/links /run/systemd/netif/leases /run/systemd/netif/lldp
      chown -R systemd-network: /run/systemd/netif
      mount -o remount,bind,ro /sys
      mount --bind ${root}/etc/systemd/network /etc/systemd/network
      export SYSTEMD_LOG_LEVEL=info
      exec /usr/lib/systemd/systemd-networkd'`,
    )
    return text
  }

  const provider = () =>
    world.start(
      'isp',
      `exec dnsmasq --no-daemon --interface=isp0 --bind-interfaces --port=0 --conf-file=/dev/null --pid-file= \
      --dhcp-range=192.0.2.50,192.0.2.60,1h --dhcp-option=option:dns-server,192.0.2.53 --dhcp-leasefile=${world.folder}/leases`,
    )

  const shows = (what: string, place: Place, line: string, pattern: RegExp) =>
    until(what, async () => pattern.exec(await world.in(place, `${line} || true`))?.[0], {
      timeoutMs: 20_000,
      everyMs: 200,
    })

  test('WAN by DHCP: address, route, and the provider’s resolver in resolv.conf', async () => {
    await world.in('isp', 'ip addr add 192.0.2.1/24 dev isp0')
    provider()
    const root = apply(configured('wan: { port: wan0, dhcp: true }'))
    const said = networkd('board', root)
    await shows('an address', 'board', 'ip -4 addr show dev wan0', /inet 192\.0\.2\.5\d\/24/)
    await shows('a route', 'board', 'ip route', /default via 192\.0\.2\.1 dev wan0 proto dhcp/)
    await world.in('board', 'ping -c 1 -W 2 192.0.2.1')
    mkdirSync(join(root, 'run/systemd'), { recursive: true })
    await until('the resolver', async () => {
      await must('sh', ['-ec', `cd ${root}/run/systemd; ln -sfn ../netif netif; ${scripts}/resolvers ${root}`])
      return readFileSync(join(root, 'etc/resolv.conf'), 'utf8') === 'nameserver 192.0.2.53\n'
    })
    expect(said()).not.toMatch(/unknown (key|section)|failed to parse|invalid|ignoring assignment/i)
  })

  test('WAN with a static address, its resolvers from the configuration', async () => {
    await world.in('isp', 'ip addr add 192.0.2.1/24 dev isp0')
    const root = apply(
      configured('wan: { port: wan0, address: 192.0.2.2/24, gateway: 192.0.2.1, dns: [192.0.2.7, 192.0.2.8] }'),
    )
    const said = networkd('board', root)
    await shows('a route', 'board', 'ip route', /default via 192\.0\.2\.1 dev wan0 proto static/)
    await world.in('board', 'ping -c 1 -W 2 192.0.2.1')
    await must(`${scripts}/resolvers`, [root])
    expect(readFileSync(join(root, 'etc/resolv.conf'), 'utf8')).toBe('nameserver 192.0.2.7\nnameserver 192.0.2.8\n')
    expect(said()).not.toMatch(/unknown (key|section)|failed to parse|invalid|ignoring assignment/i)
  })

  test('a LAN of two ports leases addresses on either, and forwards', async () => {
    const said = networkd('board', apply(configured(lan)))
    await shows('the bridge', 'board', 'ip -4 addr show dev lan', /inet 192\.168\.1\.1\/24/)
    await shows('its ports', 'board', 'ip -br link show master lan', /lan0.*\n.*lan1/)
    expect((await world.in('board', 'cat /proc/sys/net/ipv4/ip_forward')).trim()).toBe('1')
    const client = '[Match]\nName=office1\n[Network]\nDHCP=ipv4\n[DHCPv4]\nClientIdentifier=mac\n'
    networkd('office', etcOf('office', { 'etc/systemd/network/50-office.network': client }))
    await shows('a lease', 'office', 'ip -4 addr show dev office1', /inet 192\.168\.1\.1\d\d\/24/)
    await shows('a route', 'office', 'ip route', /default via 192\.168\.1\.1 /)
    const links = await world.in('office', `cat ${world.folder}/office/run/netif/links/* | grep ^DNS=`)
    expect(links.trim()).toBe('DNS=192.168.1.1')
    expect(said()).not.toMatch(/unknown (key|section)|failed to parse|invalid|ignoring assignment/i)
  })

  test('a WAN for PPPoE is up and has no address', async () => {
    networkd('board', apply(configured('wan: { port: wan0, pppoe: { user: a, password: b } }')))
    await shows('the port', 'board', 'ip link show dev wan0', /state UP/)
    expect(await world.in('board', 'ip addr show dev wan0')).not.toMatch(/inet/)
  })
})
