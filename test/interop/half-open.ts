// Load shedding: how long strongSwan takes to come up while forged first messages of IKE pour in, each from another address. Its IKE is whole: main mode,
// quick mode, a tunnel of its userland ESP, each time from an address that the gateway never saw before.
//
//     npm run load:half-open -- [--rate 10000] [--times 8] [--kind first|second] [--json]
//
// As root, in namespaces of its own, half a minute to two minutes. Exit code 1 where one attempt took longer than the 3 s that are promised.
// `second`: the forged messages have a responder's cookie too, so that they look like those of a negotiation under way.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { hex } from '../../src/wire/codec.ts'
import { hexVector } from '../vectors.ts'
import type { Gateway } from './lab/gateway.ts'
import { openLab } from './lab/lab.ts'
import { NativeSwan } from './lab/native-swan.ts'
import { addresses } from './lab/network.ts'
import { ensureFiles } from './lab/packages.ts'
import { must, say } from './lab/run.ts'
import { psk, users } from './settings.ts'

const { values } = parseArgs({
  options: {
    rate: { type: 'string', default: '10000' },
    times: { type: 'string', default: '8' },
    kind: { type: 'string', default: 'first' },
    json: { type: 'boolean', default: false },
  },
})
const rate = Math.min(Math.max(Number(values.rate), 0), 100_000)
const times = Math.min(Math.max(Number(values.times), 1), 60)
const kind = values.kind === 'second' ? 'second' : 'first'

/** What is promised. */
const promisedMs = 3_000
/** The flood stands before the first attempt. */
const aheadMs = 2_000
/** An attempt is given up after this. */
const patienceSeconds = 15
const key = 'between two gateways'
/** Recorded first messages of clients that the gateway would answer. */
const templates = ['nm-l2tp-strongswan', 'win8-win11-psk', 'macos-ios-current-psk']

type Attempt = { readonly ms: number; readonly up: boolean }
type Figures = {
  readonly kind: string
  readonly quiet: readonly Attempt[]
  readonly flooded: readonly Attempt[]
  readonly forgedPerSecond: number
  /** Of one core, by the gateway. */
  readonly gatewayCpu: number
  readonly dropped: Readonly<Record<string, number>>
}

await ensureFiles({ python3: '/usr/bin/python3' })
const lab = await openLab('namespace')
try {
  const figures = await measure()
  process.stdout.write(values.json ? `${JSON.stringify(figures, undefined, 2)}\n` : table(figures))
  process.exitCode = figures.flooded.every(({ ms, up }) => up && ms <= promisedMs) ? 0 : 1
} finally {
  await lab.close()
}

async function measure(): Promise<Figures> {
  // A client for each attempt, half of them before the flood: who came in once is a known source.
  const clients = Array.from({ length: 2 * times }, (_, i) => `192.0.2.${101 + i}`)
  for (const [i, address] of clients.entries()) {
    await lab.network.mustExec('dialler', ['ip', 'address', 'add', `${address}/24`, 'dev', 'eth0'])
    // Without an address of its own network strongSwan finds no source for its route.
    await lab.network.mustExec('dialler', ['ip', 'address', 'add', `10.3.${i}.1/24`, 'dev', 'lo'])
  }
  // Answers to forged addresses end here.
  await lab.network.mustExec('internet', ['ip', 'route', 'add', 'blackhole', '100.64.0.0/10'])
  const gateway = await lab.gateway({ psk, users, sites: clients.map(siteOf) })
  const swan = await NativeSwan.start(lab, 'dialler', { 'swanctl.conf': swanctl(clients) })
  const quiet = await attempts(swan, clients.slice(0, times), 0)
  say(`forged ${kind} messages, ${rate} a second`)
  const seconds = aheadMs / 1000 + times * (patienceSeconds + 3)
  const before = { cpu: await cpuSeconds(), at: performance.now(), dropped: await droppedBy(gateway) }
  const flood = startFlood(seconds)
  await pause(aheadMs)
  const flooded = await attempts(swan, clients.slice(times), times)
  const passed = (performance.now() - before.at) / 1000
  const gatewayCpu = ((await cpuSeconds()) - before.cpu) / passed
  const forgedPerSecond = await flood.stop()
  const after = await droppedBy(gateway)
  await swan.stop()
  await gateway.stop(60_000)
  const dropped = Object.fromEntries(
    Object.entries(after)
      .map(([name, count]) => [name, count - (before.dropped[name] ?? 0)] as const)
      .filter(([, count]) => count > 0),
  )
  return { kind, quiet, flooded, forgedPerSecond, gatewayCpu, dropped }
}

async function attempts(swan: NativeSwan, clients: readonly string[], from: number): Promise<Attempt[]> {
  const all: Attempt[] = []
  for (const i of clients.keys()) {
    const begin = performance.now()
    const up = await swan
      .swanctl('--initiate', '--child', `net${from + i}`, '--timeout', `${patienceSeconds}`)
      .then(() => true)
      .catch((error: Error) => {
        say(error.message)
        return false
      })
    all.push({ ms: Math.round(performance.now() - begin), up })
    await swan.swanctl('--terminate', '--ike', `site${from + i}`, '--force').catch(() => undefined)
  }
  return all
}

/** `stop` answers how many a second really went out. */
function startFlood(seconds: number): { stop(): Promise<number> } {
  const script = join(import.meta.dirname, 'lab', 'flood.py')
  const words = [script, addresses.gateway, `${rate}`, `${seconds}`, ...(kind === 'second' ? ['second'] : [])]
  const child = spawn('ip', ['netns', 'exec', lab.network.ns('internet'), 'python3', ...words], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  let said = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  const ended = once(child, 'close')
  child.stdin.end(templates.map((name) => hex(hexVector(`ike/first-packets/${name}`))).join('\n'))
  return {
    stop: async () => {
      child.kill('SIGINT')
      await ended
      const [sent, took] = said.trim().split(' ').map(Number)
      return sent! / took!
    },
  }
}

/** Of all that runs in the gateway's namespace, user and system time so far. */
async function cpuSeconds(): Promise<number> {
  const pids = (await must('ip', ['netns', 'pids', lab.network.ns('gw')])).split('\n').filter((line) => line !== '')
  const ticks = pids.map((pid) => {
    const [, user, system] = /\) \S(?: \S+){10} (\d+) (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? []
    return Number(user) + Number(system)
  })
  // USER_HZ is 100 wherever we run.
  return ticks.reduce((sum, one) => sum + one, 0) / 100
}

/** What was lost of all that came, by whom. */
async function droppedBy(gateway: Gateway): Promise<Record<string, number>> {
  const { counters } = (await gateway.status()) as unknown as { counters: Record<string, number> }
  const drops = Object.entries(counters).filter(([name]) => /^drop/.test(name))
  const lines = (await lab.network.mustExec('gw', ['cat', '/proc/net/snmp'])).split('\n')
  const [names, figures] = lines.filter((line) => line.startsWith('Udp:')).map((line) => line.split(' '))
  const full = Number(figures?.[names?.indexOf('RcvbufErrors') ?? -1] ?? 0)
  return { ...Object.fromEntries(drops), 'full socket': full }
}

function siteOf(peer: string, i: number) {
  return {
    name: `site${i}`,
    peer,
    localNetworks: '10.1.0.0/24',
    remoteNetworks: `10.3.${i}.0/24`,
    authentication: { preSharedKey: key },
    start: 'by-peer',
    ike: 'aes256-sha256-modp2048',
    esp: 'aes256-sha256',
  }
}

function swanctl(clients: readonly string[]): string {
  const connections = clients.map(
    (address, i) => `
  site${i} {
    version = 1
    local_addrs = ${address}
    remote_addrs = ${addresses.gateway}
    proposals = aes256-sha256-modp2048
    local { auth = psk }
    remote { auth = psk }
    children {
      net${i} { mode = tunnel\n local_ts = 10.3.${i}.0/24\n remote_ts = 10.1.0.0/24\n esp_proposals = aes256-sha256\n }
    }
  }`,
  )
  return `connections {${connections.join('')}\n}\nsecrets { ike-sites { secret = "${key}" } }\n`
}

function table({ quiet, flooded, forgedPerSecond, gatewayCpu, dropped }: Figures): string {
  const lost = Object.entries(dropped).map(([name, count]) => `${name} ${count}`)
  const shown = (all: readonly Attempt[]) => all.map(({ ms, up }) => (up ? `${ms}` : `none in ${ms}`)).join(', ')
  return `Until strongSwan is up, in ms, an address of its own each time
without a flood:  ${shown(quiet)}
with ${Math.round(forgedPerSecond)} forged ${kind} messages a second:  ${shown(flooded)}
the gateway took ${Math.round(gatewayCpu * 100)} % of one core; lost: ${lost.join(', ') || 'nothing'}
`
}
