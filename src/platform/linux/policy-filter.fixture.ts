// Runs inside a network namespace of its own: a machine with a policy, and a peer in another namespace that doesn't speak IPsec. Prints which pings passed, as JSON.
import { execFileSync, spawnSync } from 'node:child_process'
import type { PolicyFilter, PolicyPlan } from '../packet-policy.ts'
import { LinuxPacketPolicy } from './policy-filter.ts'

const plane = process.argv[2] as PolicyPlan['plane']
const sh = (command: string) => execFileSync('sh', ['-c', command], { encoding: 'utf8' }).trim()

// The peer's namespace lives as long as its process.
const peer = sh('unshare --net sleep 60 >/dev/null 2>&1 & echo $!')
for (let tries = 0; tries < 100; tries++) {
  if (
    spawnSync('nsenter', ['-t', peer, '-n', 'true']).status === 0 &&
    sh(`readlink /proc/${peer}/ns/net`) !== sh('readlink /proc/self/ns/net')
  )
    break
  await new Promise((resolve) => setTimeout(resolve, 50))
}
sh(`ip link set lo up; ip link add out0 type veth peer name in0 netns ${peer}
  ip address add 192.0.2.1/24 dev out0; ip link set out0 up
  nsenter -t ${peer} -n sh -c 'ip link set lo up; ip address add 192.0.2.9/24 dev in0; ip link set in0 up'`)

const ping = () => spawnSync('ping', ['-c', '1', '-W', '1', '192.0.2.9']).status === 0
const pingFromThere = () =>
  spawnSync('nsenter', ['-t', peer, '-n', 'ping', '-c', '1', '-W', '1', '192.0.2.1']).status === 0
const all = {
  protocol: 0,
  sourcePort: 0,
  destinationPort: 0,
  direction: 'either',
  connection: 'all',
  forwarded: false,
  acceptUnsecured: false,
  carried: false,
  soft: undefined,
} as const
const there: PolicyFilter = {
  ...all,
  source: '192.0.2.1/32',
  destination: '192.0.2.9/32',
  direction: 'out',
  action: 'protect',
  soft: 0,
}
const back: PolicyFilter = {
  ...all,
  source: '192.0.2.9/32',
  destination: '192.0.2.1/32',
  direction: 'in',
  action: 'protect',
  soft: 0,
}
const plan = (filters: readonly PolicyFilter[]): PolicyPlan => ({
  device: 'gatehouse0',
  plane,
  carriers: 'ghp*',
  filters,
})

const policy = new LinuxPacketPolicy()
const seen: Record<string, unknown> = { before: ping() }
await policy.enforce(plan([there, back]))
seen.protected = [ping(), pingFromThere()]
seen.wanted = await policy.wanted()
seen.wantedAgain = await policy.wanted()
await policy.allowClear(0, '192.0.2.9', 60)
seen.soft = [ping(), pingFromThere()]
await policy.endClear(0, '192.0.2.9')
seen.ended = ping()
sh('ip tuntap add dev gatehouse0 mode tun')
await policy.enforce(plan([{ ...there, soft: undefined, carried: true }]))
seen.carried = ping()
await policy.enforce(
  plan([
    { ...there, soft: undefined },
    { ...back, acceptUnsecured: true },
  ]),
)
seen.acceptUnsecured = pingFromThere()
await policy.enforce(
  plan([
    { ...there, action: 'permit' },
    { ...back, action: 'permit' },
    { ...there, source: '0.0.0.0/0', destination: '0.0.0.0/0', direction: 'either', action: 'block' },
  ]),
)
seen.permitted = ping()
await policy.enforce(
  plan([
    { ...there, source: '0.0.0.0/0', destination: '0.0.0.0/0', direction: 'either', action: 'block', soft: undefined },
  ]),
)
seen.blocked = ping()
await policy.clear('gatehouse0')
seen.cleared = [ping(), sh('nft list tables')]
process.kill(Number(peer))
console.log(JSON.stringify(seen))
