// Runs inside a network namespace of its own, the gateway's; makes two clients, a host on the LAN and one on the internet in further ones, and tries
// who reaches whom. A bridge stands for the TUN device: what nftables sees is the same. With `a device each` the clients' own wires are the gateway's
// devices, with routes as the kernel data plane makes them. Prints what came through, as JSON.
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { GatewayPlan } from '../network.ts'
import { LinuxNetwork } from './network.ts'

const sh = (command: string) => execFileSync('sh', ['-c', command], { encoding: 'utf8' }).trim()

/** A namespace that lives as long as this process. */
async function space(): Promise<number> {
  const child = spawn('unshare', ['--net', 'sleep', '60'], { stdio: 'ignore' })
  process.on('exit', () => child.kill())
  const of = (pid: string) => sh(`readlink /proc/${pid}/ns/net`)
  while (of(String(child.pid)) === of('self')) await sleep(5)
  return child.pid!
}

const inside = (pid: number, command: string) => sh(`nsenter --target ${pid} --net sh -c '${command}'`)

/** Joins `pid` to us by a wire whose end here is `device`; its own address there, and the way that it sends everything. */
function wire(pid: number, device: string, address: string, via: string): void {
  sh(`ip link add ${device} type veth peer name eth0 netns ${pid}; ip link set ${device} up`)
  inside(
    pid,
    `ip link set lo up; ip link set eth0 up; ip address add ${address} dev eth0; ip route add default via ${via} dev eth0 onlink`,
  )
}

const a = await space()
const b = await space()
const lan = await space()
const wan = await space()
const each = process.argv[2] === 'a device each'
sh('ip link set lo up')
wire(a, 'ghp0', '10.99.0.10/32', '10.99.0.1')
wire(b, 'ghp1', '10.99.0.11/32', '10.99.0.1')
if (each)
  sh('ip route add 10.99.0.10/32 dev ghp0; ip route add 10.99.0.11/32 dev ghp1; ip route add 192.168.5.200/32 dev ghp0')
else {
  sh('ip link add gatehouse0 type bridge; ip link set gatehouse0 up')
  sh('ip link set ghp0 master gatehouse0; ip link set ghp1 master gatehouse0')
}
wire(lan, 'lan0', '192.168.5.2/24', '192.168.5.1')
wire(wan, 'wan0', '203.0.113.2/24', '203.0.113.1')
sh('ip address add 192.168.5.1/24 dev lan0; ip address add 203.0.113.1/24 dev wan0')
createServer().listen(7777)

const pings = (from: number, to: string, options = '') =>
  spawnSync('nsenter', ['--target', String(from), '--net', 'sh', '-c', `ping -c 1 -W 0.4 ${options} ${to}`]).status ===
  0
const connects = (from: number, to: string) =>
  spawnSync('nsenter', [
    '--target',
    String(from),
    '--net',
    'timeout',
    '0.5',
    'bash',
    '-c',
    `exec 3<>/dev/tcp/${to}/7777`,
  ]).status === 0

const usual: GatewayPlan = {
  device: 'gatehouse0',
  ...(each ? { devicePrefix: 'ghp' } : {}),
  gatewayAddress: '10.99.0.1',
  clients: [{ first: '10.99.0.10', last: '10.99.0.19' }],
  clientNetworks: [],
  forwarding: 'masquerade',
  internet: true,
  localNetworks: [],
  clientToClient: false,
  gatewayServices: false,
}

const network = new LinuxNetwork({ store: undefined, watchMs: 0 })
const seen: Record<string, Record<string, boolean>> = {}
const plans: Record<string, Partial<GatewayPlan>> = {
  usual: {},
  open: { clientToClient: true, gatewayServices: true },
  inner: { internet: false },
  routed: { forwarding: 'route' },
}
for (const [name, plan] of Object.entries(plans)) {
  await network.serve({ ...usual, ...plan })
  seen[name] = {
    'client pings gateway': pings(a, '10.99.0.1'),
    'client pings gateway’s outer address': pings(a, '203.0.113.1'),
    'client connects to gateway': connects(a, '10.99.0.1'),
    'client reaches LAN': pings(a, '192.168.5.2'),
    'client reaches internet': pings(a, '203.0.113.2'),
    'client reaches client': pings(a, '10.99.0.11'),
    'LAN reaches client': pings(lan, '10.99.0.10'),
    'LAN reaches internet through us': pings(lan, '203.0.113.2'),
    'outside pretends to be a client': pretend(wan, '10.99.0.12'),
    'client pretends to be somebody else': pretend(a, '10.77.0.1'),
  }
}
// A pool that is part of the LAN: its hosts find the client by our answer to ARP, while it is there.
inside(a, 'ip address add 192.168.5.200/32 dev eth0')
await network.serve({
  ...usual,
  forwarding: 'proxy-arp',
  gatewayAddress: '192.168.5.1',
  clients: [{ first: '192.168.5.200', last: '192.168.5.203' }],
})
const before = pings(lan, '192.168.5.200')
await network.client('192.168.5.200', true)
inside(lan, 'ip neigh flush all')
const during = pings(lan, '192.168.5.200')
const outwards = pings(a, '192.168.5.2', '-I 192.168.5.200')
await network.client('192.168.5.200', false)
inside(lan, 'ip neigh flush all')
seen.proxied = { before, during, outwards, after: pings(lan, '192.168.5.200') }
await network.clear()
seen.cleared = {
  'client reaches LAN': pings(a, '192.168.5.2'),
  'LAN reaches internet through us': pings(lan, '203.0.113.2'),
  'outside pretends to be a client': pretend(wan, '10.99.0.12'),
}
console.log(JSON.stringify(seen))
process.exit(0)

/** Whether a packet with a foreign source address gets as far as our own input. */
function pretend(from: number, address: string): boolean {
  const count = () =>
    Number(/InEchos: (\d+)/.exec(sh(`nstat -asz IcmpInEchos | awk '/InEchos/ { print "InEchos: " $2 }'`))?.[1])
  const before = count()
  inside(from, `ip address add ${address}/32 dev lo`)
  spawnSync('nsenter', [
    '--target',
    String(from),
    '--net',
    'ping',
    '-c',
    '1',
    '-W',
    '0.4',
    '-I',
    address,
    from === a ? '10.99.0.1' : '203.0.113.1',
  ])
  inside(from, `ip address del ${address}/32 dev lo`)
  return count() > before
}
