// TCP through a session, by data plane and against strongSwan + xl2tpd + pppd as server: all three in the same guest, in turn, with the same client.
//
//     node_modules/.bin/node test/interop/throughput.ts [--json] [--seconds 3] [--repeats 3]
//
// As root. Everything runs on one machine's cores, so figures are to be read as ratios: each is divided by plain TCP through the same guest just before it.
import { parseArgs } from 'node:util'
import { serve } from './lab/foreign-server.ts'
import { Gateway } from './lab/gateway.ts'
import { openGuestHost } from './lab/gateway-host.ts'
import { openLab } from './lab/lab.ts'
import { addresses } from './lab/network.ts'
import { say, until } from './lab/run.ts'
import { dial, generous, psk, users } from './settings.ts'

const { values } = parseArgs({
  options: { json: { type: 'boolean' }, seconds: { type: 'string' }, repeats: { type: 'string' } },
})
const seconds = Number(values.seconds ?? 3)
const repeats = Number(values.repeats ?? 3)
const proposals = ['aes128gcm16', 'aes128-sha1', 'aes256-sha256', '3des-sha1']
const servers = ['kernel', 'userland', 'strongSwan + xl2tpd + pppd'] as const
type Server = (typeof servers)[number]
type Run = { server: Server; esp: string; direction: 'up' | 'down'; mbit: number; ratio: number }

const lab = await openLab('guest')
try {
  const runs = await measure()
  if (values.json) process.stdout.write(`${JSON.stringify(runs, undefined, 2)}\n`)
  else process.stdout.write(table(runs))
} finally {
  await lab.close()
}

async function measure(): Promise<Run[]> {
  const [host, client] = await Promise.all([
    openGuestHost(lab.lease, lab.network),
    lab.client('swan', 'strongswan', 11),
  ])
  const runs: Run[] = []
  for (let round = 1; round <= repeats; round++) {
    for (const server of servers) {
      say(`round ${round} of ${repeats}: ${server}`)
      const stop = await start(server)
      for (const esp of proposals) {
        for (const direction of ['up', 'down'] as const) {
          await client.guest.must(`ip route replace ${addresses.inside} via ${addresses.gateway}`)
          const plain = await tcp(direction)
          await client.guest.must(`ip route del ${addresses.inside} via ${addresses.gateway}`)
          if (!client.connected) await client.connect(dial('alice', { esp }))
          const mbit = await tcp(direction)
          runs.push({ server, esp, direction, mbit, ratio: mbit / plain })
        }
        await client.disconnect()
      }
      await stop()
    }
  }
  return runs

  async function start(server: Server): Promise<() => Promise<unknown>> {
    const { guest } = host
    await guest.must('sysctl -qw net.ipv4.ip_forward=1')
    if (server !== 'strongSwan + xl2tpd + pppd') {
      // Nothing translated, as with the other server.
      const settings = { ...generous, dataplane: server, more: { forwarding: 'route' } }
      const gateway = await Gateway.start(host, settings, server)
      return () => gateway.stop()
    }
    const ike = dial('alice').ike
    await serve(guest, { psk, users, require: 'require-mschap-v2', ike, esp: proposals.join(',') })
    return () => guest.must('/lab/l2tp.sh kill; /lab/strongswan.sh kill')
  }

  /** Mbit/s that arrived. */
  async function tcp(direction: 'up' | 'down'): Promise<number> {
    const place = lab.inside.place
    const sink = lab.network.exec(place, ['iperf3', '-s', '-1', '-p', '5201'], { timeoutMs: 60_000 })
    await until('iperf3 to listen', async () => (await lab.network.mustExec(place, ['ss', '-lnt'])).includes(':5201 '))
    const reverse = direction === 'down' ? '-R' : ''
    const said = await client.guest.must(`iperf3 -c ${addresses.inside} -t ${seconds} -J ${reverse}`, {
      timeoutMs: 60_000,
    })
    await sink
    return JSON.parse(said).end.sum_received.bits_per_second / 1e6
  }
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN
}

function table(runs: readonly Run[]): string {
  const cell = (server: Server, esp: string, direction: string) => {
    const own = runs.filter((run) => run.server === server && run.esp === esp && run.direction === direction)
    return `${median(own.map((run) => run.ratio)).toFixed(3)} (${Math.round(median(own.map((run) => run.mbit)))})`
  }
  const lines = proposals.flatMap((esp) =>
    ['up', 'down'].map((way) => `| ${[esp, way, ...servers.map((server) => cell(server, esp, way))].join(' | ')} |`),
  )
  return `| ESP | direction | ${servers.join(' | ')} |\n|---|---|---|---|---|\n${lines.join('\n')}\n`
}
