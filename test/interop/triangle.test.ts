// Two gateways of ours and a strongSwan (its ESP in userland too: kernel-libipsec) in a triangle, each joined with both others in tunnel mode: 200 renewals under
// load, and no packet is lost that the network itself doesn't lose. `npm run interop:triangle`; no guests, about five minutes.
//
//   a 192.0.2.1, 10.1.0.0/16 and 10.11.0.0/16 ── b 192.0.2.2, 10.2 and 10.12 ── c (strongSwan) 192.0.2.3, 10.3 and 10.13
//
// Beside each inner flow the same is sent between the outer addresses: what is lost there is the network's (or the machine's) own. Each end says what it dropped:
// our gateways by their counters, which must show none, strongSwan by its log and its sockets.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openControl } from '../../src/control/client.ts'
import { type Lease, lease, reapAbandoned } from './lab/lease.ts'
import { ensurePackages } from './lab/packages.ts'
import { ensureRoots, rootPath } from './lab/roots.ts'
import { must, run, until } from './lab/run.ts'
import { interop } from './lab/suite.ts'

const onDemand = process.env.GATEHOUSE_LAB_TRIANGLE === undefined ? describe.skip : interop

const wanted = Number(process.env.GATEHOUSE_TRIANGLE_REKEYS ?? 200)
/** Packets a second of each flow. */
const rate = Number(process.env.GATEHOUSE_TRIANGLE_RATE ?? 100)
/** The bound: however slow the machine is, it ends. */
const mostSeconds = Number(process.env.GATEHOUSE_TRIANGLE_SECONDS ?? 900)
/** The shortest that the configuration takes; renewed at 82 %. */
const lifetimes = { ike: '60s', esp: '20s' }
const proposals = { ike: 'aes256-sha256-modp2048', esp: 'aes256-sha256' }
const shared = 'a key for all three'

const corners = {
  a: { outer: '192.0.2.1', inner: ['10.1.0.1', '10.11.0.1'] },
  b: { outer: '192.0.2.2', inner: ['10.2.0.1', '10.12.0.1'] },
  c: { outer: '192.0.2.3', inner: ['10.3.0.1', '10.13.0.1'] },
} as const
type Corner = keyof typeof corners
const names = ['a', 'b', 'c'] as const
const networks = (corner: Corner) => corners[corner].inner.map((address) => address.replace(/0\.1$/, '0.0/16'))
const others = (corner: Corner) => names.filter((name) => name !== corner)

const root = join(import.meta.dirname, '..', '..')

type Count = {
  readonly flows: Readonly<
    Record<
      string,
      {
        readonly sent: number
        readonly refused: number
        readonly received: number
        /** The first numbers that did not come. */
        readonly missing: readonly number[]
      }
    >
  >
  readonly drops: Readonly<Record<string, number>>
}
type Told = { readonly event: string; readonly facts: Readonly<Record<string, unknown>> }
/** What a packet of a tunnel may be dropped for at one of our gateways. */
const ourDrops = [
  ...['dropUnknownSpi', 'dropReplayed', 'dropForged', 'dropMalformed', 'dropEngine', 'dropEncapsulation', 'dropInner'],
  ...['dropNoPair', 'dropHeld', 'dropTooBig', 'dropExhausted', 'dropSend', 'dropTunWrite', 'dropSelector'],
]
/** What strongSwan's userland ESP says of a packet that it drops. */
const itsDrops =
  /does not belong to an installed SA|could not find an outbound IPsec SA|no matching outbound IPsec policy|due to policy|verification failed/

type Ours = { readonly child: ChildProcess; log: string; out: string; readonly events: Told[]; close(): void }

/** What was sent to an address and neither came nor found its socket full. */
function lossAt(results: Record<Corner, Count>, to: Corner, address: string) {
  const flows = Object.entries(results[to].flows).filter(([pair]) => pair.startsWith(`${address}=`))
  const from = flows.flatMap(([pair, { received }]): [string, number][] => {
    const [own, its = ''] = pair.split('=')
    const back = `${its}=${own}`
    const { sent = 0, refused = 0 } = names.map((name) => results[name].flows[back]).find((flow) => flow) ?? {}
    const missing = sent - refused - received
    return missing === 0 ? [] : [[its, missing]]
  })
  const full = results[to].drops[address] ?? 0
  const lost = from.reduce((sum, [, missing]) => sum + missing, 0) - full
  return { to, address, lost, full, from: Object.fromEntries(from) }
}

onDemand('triangle', () => {
  let held: Lease
  let swan: ChildProcess
  const ours = new Map<Corner, Ours>()
  const ns = (corner: Corner | 'hub') => `${held.tag}-${corner}`

  beforeAll(async () => {
    await ensurePackages()
    await ensureRoots()
    await reapAbandoned()
    held = lease()
    await must('ip', ['netns', 'add', ns('hub')])
    await must('ip', ['-n', ns('hub'), 'link', 'add', 'pub', 'type', 'bridge'])
    await must('ip', ['-n', ns('hub'), 'link', 'set', 'pub', 'up'])
    for (const corner of names) {
      const { outer, inner } = corners[corner]
      await must('ip', ['netns', 'add', ns(corner)])
      const peer = ['peer', 'name', 'eth0', 'netns', ns(corner)]
      await must('ip', ['-n', ns('hub'), 'link', 'add', 'name', corner, 'type', 'veth', ...peer])
      await must('ip', ['-n', ns('hub'), 'link', 'set', 'dev', corner, 'master', 'pub', 'up'])
      for (const device of ['lo', 'eth0']) await must('ip', ['-n', ns(corner), 'link', 'set', device, 'up'])
      await must('ip', ['-n', ns(corner), 'address', 'add', `${outer}/24`, 'dev', 'eth0'])
      for (const address of inner) await must('ip', ['-n', ns(corner), 'address', 'add', `${address}/16`, 'dev', 'lo'])
      await must('ip', ['-n', ns(corner), 'route', 'add', 'default', 'dev', 'eth0'])
    }
    await startStrongSwan()
    await Promise.all([startGateway('a', ['b', 'c']), startGateway('b', ['c'], ['a'])])
  }, 600_000)
  afterAll(async () => {
    for (const { child, close } of ours.values()) {
      close()
      child.kill('SIGTERM')
    }
    await held?.release()
  }, 60_000)

  /** Which side of a pair begins is written down, so that not both do. */
  async function startGateway(corner: Corner, dials: readonly Corner[], answers: readonly Corner[] = []) {
    const site = (peer: Corner, start: string) => ({
      name: peer,
      peer: corners[peer].outer,
      localNetworks: networks(corner),
      remoteNetworks: networks(peer),
      authentication: { preSharedKey: shared },
      start,
      lifetimes,
      ...proposals,
    })
    const dir = join(held.dir, corner)
    mkdirSync(dir, { mode: 0o700 })
    const file = join(dir, 'gatehouse.yaml')
    const configuration = {
      dataplane: 'userland',
      remoteAccess: {
        preSharedKey: 'of nobody in this network',
        addressPool: `10.9${corner === 'a' ? 1 : 2}.0.10-10.9${corner === 'a' ? 1 : 2}.0.20`,
        // The flows end at the gateways themselves: without this the first packet of one is dropped by the firewall, until the other direction has begun.
        gatewayServices: true,
      },
      users: [{ name: 'nobody', password: 'never logs in' }],
      sites: [...dials.map((peer) => site(peer, 'at-once')), ...answers.map((peer) => site(peer, 'by-peer'))],
    }
    writeFileSync(file, JSON.stringify(configuration), { mode: 0o600 })
    const command = [join(root, 'gatehouse'), 'up', '--config', file, '--state', join(dir, 'state'), '--log', 'json']
    const child = spawn('ip', ['netns', 'exec', ns(corner), ...command], { stdio: ['ignore', 'pipe', 'pipe'] })
    const one: Ours = { child, log: '', out: '', events: [], close: () => {} }
    ours.set(corner, one)
    child.stdout.on('data', (text) => (one.out += text))
    child.stderr.on('data', (text) => (one.log += text))
    await until(`${corner} to be ready`, () => /^ready/m.test(one.out) || child.exitCode !== null, {
      timeoutMs: 120_000,
    })
    if (child.exitCode !== null) throw new Error(`gateway ${corner} ended:\n${one.log}`)
    const control = await openControl(join(dir, 'state'))
    await control.events((record) => one.events.push(record))
    one.close = () => control.close()
  }

  /** charon out of the guests' tree, in a mount namespace of its own. */
  async function startStrongSwan() {
    const dir = join(held.dir, 'c')
    mkdirSync(dir)
    writeFileSync(
      join(dir, 'strongswan.conf'),
      `charon-systemd {
  load = random nonce openssl pem pkcs1 pkcs8 x509 constraints kdf kernel-libipsec kernel-netlink socket-default vici
  plugins { vici { socket = unix:///run/charon.vici } kernel-libipsec { load = yes } }
  filelog { log { path = /run/charon.log
 default = 1
 esp = 2
 flush_line = yes } }
  journal { default = -1 }
}
`,
    )
    const child = (peer: Corner, own: number, its: number) => `
      n${own}${its} { mode = tunnel
 local_ts = ${networks('c')[own]}
 remote_ts = ${networks(peer)[its]}
 esp_proposals = ${proposals.esp}
 rekey_time = 1h }`
    const connection = (peer: Corner) => `
  ${peer} { version = 1
 local_addrs = ${corners.c.outer}
 remote_addrs = ${corners[peer].outer}
 proposals = ${proposals.ike}
 rekey_time = 4h
 local { auth = psk }
 remote { auth = psk }
 children {${[0, 1].flatMap((own) => [0, 1].map((its) => child(peer, own, its))).join('')}
 } }`
    writeFileSync(
      join(dir, 'swanctl.conf'),
      `connections {${connection('a')}${connection('b')}\n}\nsecrets { ike-all { secret = "${shared}" } }\n`,
    )
    const tree = rootPath('strongswan')
    const script = `mount --make-rprivate / && mount -t tmpfs tmpfs ${tree}/run && cp ${dir}/*.conf ${tree}/run/ &&
mount --rbind /dev ${tree}/dev && mount -t proc proc ${tree}/proc && mount -t sysfs sysfs ${tree}/sys && mount -t tmpfs tmpfs ${tree}/tmp &&
mkdir -p ${tree}/run/swanctl && cp ${tree}/run/swanctl.conf ${tree}/run/swanctl/ && mount --bind ${tree}/run/swanctl ${tree}/etc/swanctl &&
touch ${dir}/started && exec chroot ${tree} /bin/sh -c 'export STRONGSWAN_CONF=/run/strongswan.conf PATH=/usr/sbin:/usr/bin:/sbin:/bin
charon-systemd >/run/charon.out 2>&1 & pid=$!
for i in $(seq 600); do swanctl --stats --uri unix:///run/charon.vici >/dev/null 2>&1 && break; sleep 0.1; done
swanctl --load-all --clear --noprompt --uri unix:///run/charon.vici && echo loaded
wait $pid; cat /run/charon.out /run/charon.log'`
    swan = spawn('ip', ['netns', 'exec', ns('c'), 'unshare', '-m', 'sh', '-c', script], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let said = ''
    for (const stream of [swan.stdout, swan.stderr]) stream?.on('data', (text) => (said += text))
    await until('strongSwan to be ready', () => /^loaded/m.test(said) || swan.exitCode !== null, {
      timeoutMs: 90_000,
    })
    if (swan.exitCode !== null) throw new Error(`strongSwan ended:\n${said}`)
  }

  /** SAs that were made: a pair by its two SPIs, whichever end tells; an ISAKMP SA by the end that is a, or b with c. */
  const made = () => {
    const told = (corner: Corner) => ours.get(corner)!.events
    const pairs = (['a', 'b'] as const)
      .flatMap(told)
      .filter(({ event }) => event === 'ike.pair.established')
      .map(({ facts }) => [Number(facts.inboundSpi), Number(facts.outboundSpi)].sort().join())
    const from = (corner: Corner, peers: readonly Corner[]) =>
      told(corner).filter(
        ({ event, facts }) =>
          event === 'ike.sa.established' && peers.some((peer) => `${facts.peer}`.startsWith(`${corners[peer].outer}:`)),
      ).length
    return new Set(pairs).size + from('a', ['b', 'c']) + from('b', ['c'])
  }

  /** Since the start: what our gateway dropped, by reason. */
  async function droppedBy(corner: 'a' | 'b'): Promise<Record<string, number>> {
    const command = [join(root, 'gatehouse'), 'status', '--json', '--state', join(held.dir, corner, 'state')]
    const { counters } = JSON.parse(await must(command[0]!, command.slice(1))) as { counters: Record<string, number> }
    return Object.fromEntries(ourDrops.map((name) => [name, counters[name] ?? 0]))
  }

  /** The lines in which strongSwan says so, since the start. */
  async function droppedByStrongSwan(): Promise<string[]> {
    const log = await must('nsenter', ['-t', `${swan.pid}`, '-m', 'cat', `${rootPath('strongswan')}/run/charon.log`])
    return log.split('\n').filter((line) => itsDrops.test(line))
  }

  test(`${wanted} renewals under load: nothing is lost that the network doesn't lose`, {
    timeout: (mostSeconds + 600) * 1000,
  }, async () => {
    const reachable = async (from: Corner, own: string, to: string) =>
      (await run('ip', ['netns', 'exec', ns(from), 'ping', '-n', '-c', '1', '-W', '2', '-I', own, to])).code === 0
    for (const corner of names)
      for (const peer of others(corner))
        for (const own of corners[corner].inner)
          for (const its of corners[peer].inner)
            await until(`${own} to reach ${its}`, () => reachable(corner, own, its), {
              timeoutMs: 120_000,
              everyMs: 500,
            })
    const before = made()
    const droppedBefore = { a: await droppedBy('a'), b: await droppedBy('b'), c: (await droppedByStrongSwan()).length }
    const seconds = Math.min(mostSeconds, Number(process.env.GATEHOUSE_TRIANGLE_LOAD ?? 330))
    const flows = (corner: Corner) =>
      others(corner).flatMap((peer) => [
        `${corners[corner].outer}=${corners[peer].outer}`,
        ...corners[corner].inner.flatMap((own) => corners[peer].inner.map((its) => `${own}=${its}`)),
      ])
    const program = join(import.meta.dirname, 'lab', 'sequences.ts')
    const begins = Date.now() + 15_000
    const told = await Promise.all(
      names.map(async (corner) => {
        const command = [
          process.execPath,
          '--disable-warning=ExperimentalWarning',
          program,
          `${begins}`,
          `${seconds}`,
          `${rate}`,
          ...flows(corner),
        ]
        const { stdout } = await run('ip', ['netns', 'exec', ns(corner), ...command], {
          timeoutMs: (seconds + 90) * 1000,
        })
        return [corner, JSON.parse(stdout) as Count] as const
      }),
    )
    const renewals = made() - before
    const results = Object.fromEntries(told) as Record<Corner, Count>
    const lost = names.flatMap((to) =>
      [corners[to].outer, ...corners[to].inner].map((address) => lossAt(results, to, address)),
    )
    const all = names.flatMap((name) => Object.values(results[name].flows))
    const sent = all.reduce((sum, flow) => sum + flow.sent, 0)
    const planes = await Promise.all(
      names.map((name) =>
        must('ip', ['netns', 'exec', ns(name), 'sh', '-c', 'cat /proc/net/udp /proc/net/raw; ip -s link']),
      ),
    )
    process.stderr.write(`triangle: where packets may have waited in vain:\n${planes.join('\n')}\n`)
    const ended = { a: await droppedBy('a'), b: await droppedBy('b') }
    const since = (corner: 'a' | 'b') =>
      Object.fromEntries(
        Object.entries(ended[corner])
          .map(([name, count]) => [name, count - droppedBefore[corner][name]!] as const)
          .filter(([, count]) => count > 0),
      )
    const said = (await droppedByStrongSwan()).slice(droppedBefore.c)
    const refused = all.reduce((sum, flow) => sum + flow.refused, 0)
    process.stderr.write(
      `triangle: dropped by a ${JSON.stringify(since('a'))}, by b ${JSON.stringify(since('b'))}; strongSwan says of ${said.length}:\n${said.slice(-20).join('\n')}\n`,
    )
    const gaps = all.flatMap(({ missing }) => missing)
    process.stderr.write(`triangle: numbers that did not come: ${gaps.toSorted((a, b) => a - b).join(' ')}\n`)
    process.stderr.write(`triangle: refused by the hosts' own kernels: ${refused}\n`)
    process.stderr.write(`triangle: ${renewals} renewals, ${sent} packets sent, ${JSON.stringify(lost)}\n`)
    expect(renewals).toBeGreaterThanOrEqual(wanted)
    // Not one packet that reached our gateways, from either side.
    expect({ a: since('a'), b: since('b') }).toEqual({ a: {}, b: {} })
    // An outer address has a flow from each peer, an inner one two.
    const network = (to: Corner) => lost.find(({ address }) => address === corners[to].outer)!.lost
    expect(lost.filter(({ to, lost: one }) => one > 2 * Math.max(0, network(to)))).toEqual([])
    for (const corner of ['a', 'b'] as const)
      expect(ours.get(corner)!.events.filter(({ event }) => event === 'site.down' || event === 'gateway.bug')).toEqual(
        [],
      )
  })
})
