// Runs inside a network namespace of its own: a small machine with a LAN and a WAN. Prints what it saw, as JSON.
import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { GatewayPlan } from '../network.ts'
import { openStore } from '../store.ts'
import { gathers } from './gathering.ts'
import { LinuxNetwork } from './network.ts'

const [, , step = '', folder = ''] = process.argv
const sh = (command: string) => execFileSync('sh', ['-c', command], { encoding: 'utf8' }).trim()
const sysctl = (name: string) => readFileSync(`/proc/sys/net/ipv4/${name}`, 'utf8').trim()

const plan: GatewayPlan = {
  device: 'gatehouse0',
  gatewayAddress: '10.99.0.1',
  clients: [{ first: '10.99.0.10', last: '10.99.0.19' }],
  clientNetworks: ['10.7.0.0/24'],
  forwarding: 'masquerade',
  internet: true,
  localNetworks: [],
  clientToClient: false,
  gatewayServices: false,
}

function machine(): void {
  sh(`ip link set lo up
    ip link add lan0 type veth peer name lan1; ip link set lan0 up; ip link set lan1 up; ip address add 192.168.5.1/24 dev lan0
    ip tuntap add dev gatehouse0 mode tun`)
}

function state() {
  return {
    tables: sh('nft list tables'),
    routes: sh('ip -4 route show dev gatehouse0 2>/dev/null || true')
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== ''),
    forwarding: { all: sysctl('ip_forward'), lan: sysctl('conf/lan0/forwarding') },
    gathering: gathers('lan0'),
    proxies: sh('ip neigh show proxy dev lan0'),
    journal: openStore(folder).read('network.json') !== undefined,
  }
}

const network = new LinuxNetwork({ store: openStore(folder), watchMs: 0 })
const seen: unknown[] = []
machine()
if (step === 'serve') {
  seen.push(await network.serve(plan), state())
  seen.push(
    await network.serve({
      ...plan,
      clients: [{ first: '10.99.0.16', last: '10.99.0.19' }],
      clientNetworks: [],
      forwarding: 'route',
    }),
    state(),
  )
  await network.clear()
  seen.push(state())
} else if (step === 'each') {
  // A session is there, and a device whose name only begins like a session's.
  sh('ip route add default via 192.168.5.254; ip link add ghp7 type bridge; ip link add ghpx type bridge')
  sh('ip link set ghp7 up; ip link set ghpx up; ip route add 10.99.0.17/32 dev ghp7')
  const each: GatewayPlan = { ...plan, devicePrefix: 'ghp', clientNetworks: [] }
  const look = () => ({
    tables: sh('nft list tables'),
    lo: sh(`ip -4 -o address show dev lo scope global | awk '{ print $4 }'`),
    unreachable: sh(`ip route show type unreachable | awk '{ print $2 }'`)
      .split('\n')
      .filter((line) => line !== ''),
    present: sh('ip route show 10.99.0.17 | sed "s/.* dev //"'),
    absent: sh('ip route get 10.99.0.18 2>&1 || true').split('\n')[0]?.trim(),
    gathering: gathers('lan0'),
    forwarding: {
      lan: sysctl('conf/lan0/forwarding'),
      ghp7: sysctl('conf/ghp7/forwarding'),
      elsewhere: sysctl('conf/ghpx/forwarding'),
    },
  })
  seen.push(await network.serve(each), look())
  await network.serve({ ...each, gatewayAddress: '10.99.0.2', clients: [{ first: '10.99.0.16', last: '10.99.0.19' }] })
  seen.push(look())
  await network.clear()
  seen.push(look())
  await network.serve(each)
  seen.push(look())
  const next = new LinuxNetwork({ store: openStore(folder), watchMs: 0 })
  seen.push(await next.recover(), look())
} else if (step === 'sites') {
  // The plane's own device carries nothing: what no SA takes ends there.
  sh('ip address add 10.1.0.1/16 dev lan0')
  const sites = [{ local: ['10.1.0.0/16'], remote: ['10.2.0.0/16', '10.3.0.0/16'] }]
  const each: GatewayPlan = { ...plan, devicePrefix: 'ghp', clientNetworks: [], sites }
  const look = () => ({ routes: state().routes, filter: sh('nft list ruleset').match(/^.*ipsec.*$/gm)?.length ?? 0 })
  seen.push(await network.serve(each), look())
  await network.serve({ ...each, sites: [{ local: ['10.1.0.0/16'], remote: ['10.3.0.0/16'] }] })
  seen.push(look())
  await network.serve({ ...each, sites: [] })
  seen.push(look())
  await network.clear()
} else if (step === 'crash') {
  await network.serve({
    ...plan,
    forwarding: 'proxy-arp',
    clients: [{ first: '192.168.5.200', last: '192.168.5.210' }],
    gatewayAddress: '192.168.5.1',
  })
  await network.client('192.168.5.200', true)
  await network.client('192.168.5.201', true)
  await network.client('192.168.5.201', false)
  seen.push(state())
  // The daemon is killed; another one starts.
  const next = new LinuxNetwork({ store: openStore(folder), watchMs: 0 })
  seen.push(await next.recover(), state())
} else if (step === 'later') {
  const watching = new LinuxNetwork({ store: openStore(folder), watchMs: 20 })
  const look = () => ({ lan0: gathers('lan0'), late0: gathers('late0') })
  await watching.serve(plan)
  sh(
    'ip link add late0 type veth peer name late1; ip link set late0 up; ip link set late1 up; ip address add 192.168.6.1/24 dev late0',
  )
  for (let tries = 0; tries < 200 && !look().late0; tries++) await new Promise((resolve) => setTimeout(resolve, 20))
  seen.push(look())
  await watching.clear()
  seen.push(look())
} else if (step === 'watched') {
  // A daemon with a watcher, killed.
  const daemon = `
    import { openStore } from ${JSON.stringify(join(import.meta.dirname, '../store.ts'))}
    import { LinuxNetwork } from ${JSON.stringify(join(import.meta.dirname, 'network.ts'))}
    import { startWatcher } from ${JSON.stringify(join(import.meta.dirname, 'watcher.ts'))}
    const store = openStore(${JSON.stringify(folder)})
    store.lock()
    startWatcher(store)
    await new LinuxNetwork({ store }).serve(${JSON.stringify(plan)})
    process.kill(process.pid, 'SIGKILL')`
  spawnSync(process.execPath, ['--input-type=module-typescript', '-e', daemon], { stdio: 'inherit' })
  for (let tries = 0; tries < 100 && state().journal; tries++) await new Promise((resolve) => setTimeout(resolve, 50))
  seen.push(state())
} else if (step === 'firewall') {
  sh(`nft 'table ip filter { chain FORWARD { type filter hook forward priority 0; policy drop; }; }'`)
  seen.push(await network.serve(plan))
} else if (step === 'join') {
  await network.join({
    device: 'gatehouse0',
    address: '10.9.0.5',
    gatewayAddress: '10.9.0.1',
    mtu: 1300,
    routes: ['0.0.0.0/0'],
    outer: '192.168.5.77',
  })
  seen.push(
    state().routes,
    sh('ip route get 192.168.5.77').split('\n')[0]?.trim(),
    sh('ip route get 8.8.8.8').split('\n')[0]?.trim(),
  )
  await network.clear()
  seen.push(sh('ip route show 192.168.5.77'))
}
console.log(JSON.stringify(seen))
