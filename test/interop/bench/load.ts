// Loads on one lane of the stand: what arrived, and what the server's guest took of this machine's processors for it.
import { setTimeout as sleep } from 'node:timers/promises'
import { addresses } from '../lab/network.ts'
import { until } from '../lab/run.ts'
import type { Lane, Stand } from './stand.ts'

export const ways = ['up', 'down', 'both'] as const
/** From the client to the host behind the server, back, or at once. */
export type Way = (typeof ways)[number]

/** `seconds`: the server's processor time. */
export type Carried = { readonly gbps: number; readonly gigabits: number; readonly seconds: number }
export type Passed = { readonly packets: number; readonly seconds: number }

/** An IPv4 packet of 64 octets: 20 of IP, 8 of UDP. */
const payload = 36
/** Few enough that none is lost: what is told is the cost of one. */
const offeredPerSecond = 4_000
/** Seconds more than a load takes. */
const patience = 60

type Sum = { readonly bits_per_second: number; readonly bytes: number }
type Report = {
  readonly error?: string
  readonly end?: { readonly sum_received?: Sum; readonly sum_received_bidir_reverse?: Sum }
}

/** One TCP stream each way. */
export async function tcp(stand: Stand, lane: Lane, way: Way, seconds: number): Promise<Carried> {
  const options = { up: '', down: '--reverse', both: '--bidir' }[way]
  const before = lane.server.guest.processorSeconds()
  const { sum_received: there, sum_received_bidir_reverse: back } = await iperf(stand, lane, `-t ${seconds} ${options}`)
  const spent = lane.server.guest.processorSeconds() - before
  const sums = [there, back].filter((sum) => sum !== undefined)
  return {
    gbps: sums.reduce((all, sum) => all + sum.bits_per_second, 0) / 1e9,
    gigabits: (sums.reduce((all, sum) => all + sum.bytes, 0) * 8) / 1e9,
    seconds: spent,
  }
}

/** Packets of 64 octets at a steady pace; those are counted that left the server on its other side. */
export async function smallPackets(stand: Stand, lane: Lane, way: 'up' | 'down', seconds: number): Promise<Passed> {
  const tap = way === 'up' ? `${lane.server.guest.name}.in` : lane.server.guest.name
  const left = async () => {
    const told = await stand.lab.network.mustExec('hub', ['cat', `/sys/class/net/${tap}/statistics/rx_packets`])
    return Number(told)
  }
  const [before, counted] = [lane.server.guest.processorSeconds(), await left()]
  const pace = `-u -l ${payload} -b ${offeredPerSecond * payload * 8}`
  await iperf(stand, lane, `-t ${seconds} ${pace} ${way === 'down' ? '--reverse' : ''}`)
  return { packets: (await left()) - counted, seconds: lane.server.guest.processorSeconds() - before }
}

/** Share of a core that the server takes while nobody sends. */
export async function atRest({ server }: Lane, seconds: number): Promise<number> {
  const before = server.guest.processorSeconds()
  await sleep(seconds * 1000)
  return (100 * (server.guest.processorSeconds() - before)) / seconds
}

/** Tried again where the client was turned away: a busy guest's first packets may come too late. */
async function iperf({ lab }: Stand, { client }: Lane, options: string): Promise<NonNullable<Report['end']>> {
  const { network, inside } = lab
  const listening = async () => (await network.mustExec(inside.place, ['ss', '-lnt'])).includes(':5201 ')
  let sink: Promise<unknown> | undefined
  for (let tries = 1; ; tries++) {
    if (!(await listening())) {
      sink = network.exec(inside.place, ['iperf3', '-s', '-1'], { timeoutMs: patience * 1000 })
      await until('iperf3 to listen', listening)
    }
    const command = `iperf3 -c ${addresses.inside} -J --connect-timeout 5000 ${options}`
    const { stdout, stderr } = await client.guest.sh(command, { timeoutMs: patience * 1000 })
    const { error, end } = JSON.parse(stdout === '' ? '{}' : stdout) as Report
    if (error === undefined && end) {
      await sink
      return end
    }
    if (tries === 3) throw new Error(`iperf3 in ${client.name}: ${error ?? stdout}${stderr}`)
  }
}
