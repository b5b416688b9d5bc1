// The kernel data plane beside strongSwan, xl2tpd and pppd on the same kernel: TCP, small packets and logins, as `gatehouse bench` tells its figures.
//
//     npm run bench:kernel [-- --json] [-- --html FILE] [-- --compare OLD.json] [-- --quick] [-- --rounds 5] [-- --seconds 1]
//
// As root, about ten minutes. 1 four guests: two servers, a client of each (bench/stand.ts) · 2 the same loads through both without a session: the noise · 3 each ESP
// proposal: both clients log in, each load is measured on one and then on the other · 4 logins.
import process from 'node:process'
import { parseArgs } from 'node:util'
import { describeMachine } from '../../src/cli/bench/machine.ts'
import { showProgress } from '../../src/cli/bench/progress.ts'
import type { Progress, Result } from '../../src/cli/bench/result.ts'
import { tell } from '../../src/cli/bench/tell.ts'
import { atRest, smallPackets, tcp, ways } from './bench/load.ts'
import {
  arms,
  inTurn,
  loginResults,
  type Noise,
  noiseOf,
  packetResults,
  restResult,
  tcpResults,
} from './bench/rounds.ts'
import { inClear, type Lane, logIn, mtus, noMoreInClear, openStand, type Stand, startServers } from './bench/stand.ts'
import { openLab } from './lab/lab.ts'

type Effort = { readonly rounds: number; readonly seconds: number }

const proposals = ['aes128gcm16', 'aes256-sha1', 'aes256-sha256', '3des-sha1']
/** What a small packet costs is nearly the same with all. */
const forPackets = ['aes128gcm16', 'aes256-sha1']
const forLogins = 'aes256-sha1'
const packetWays = ['up', 'down'] as const
/** The control's cells, the servers' start, each proposal's login and cells, logins. */
const steps = (1 + proposals.length) * ways.length + (1 + forPackets.length) * packetWays.length + proposals.length + 2
const restSeconds = 3
const warmUpSeconds = 2

const { values } = parseArgs({
  options: {
    json: { type: 'boolean' },
    html: { type: 'string' },
    compare: { type: 'string' },
    quick: { type: 'boolean' },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
  },
})
const { json = false, html, compare, quick = false } = values
const effort = {
  rounds: Number(values.rounds ?? (quick ? 2 : 5)),
  seconds: Number(values.seconds ?? 1),
}
if (!(effort.rounds >= 1 && effort.seconds >= 1)) throw new Error('--rounds and --seconds are numbers from 1')

const measure = async () => {
  const machine = describeMachine()
  const { progress, end } = showProgress()
  const lab = await openLab('guest')
  try {
    const stand = await openStand(lab)
    return { machine, results: await measureAll(stand, effort, progress) }
  } finally {
    end()
    await lab.close()
  }
}
process.exitCode = await tell(measure, { json, html, compare })

async function measureAll(stand: Stand, effort: Effort, progress: Progress): Promise<readonly Result[]> {
  const { ours, theirs } = stand.lanes
  let done = 0
  const next = (what: string) => progress(done++, steps, what)
  for (const lane of [ours, theirs]) {
    await inClear(lane)
    await tcp(stand, lane, 'both', warmUpSeconds)
  }
  const control = await loads(stand, 'no encryption', effort, next)
  for (const lane of [ours, theirs]) await noMoreInClear(lane)
  const noise = noiseOf(control)
  next('starting both servers')
  const gateway = await startServers(stand, proposals)
  const results: Result[] = []
  for (const esp of proposals) {
    next(`logging in, ${esp}`)
    await Promise.all([ours, theirs].map((lane) => logIn(lane, esp)))
    await alike(stand)
    results.push(...(await loads(stand, esp, effort, next, noise)))
  }
  results.push(restResult(await atRest(ours, restSeconds), await atRest(theirs, restSeconds)))
  next('logins')
  const logins = await inTurn(stand, ['ours', 'theirs'], effort.rounds, timedLogin)
  await gateway.stop()
  return sorted([...control, ...results, ...loginResults(forLogins, logins, noise)])
}

/** One proposal's cells; without `noise` those of two guests that do the same. */
async function loads(
  stand: Stand,
  esp: string,
  { rounds, seconds }: Effort,
  next: (what: string) => void,
  noise?: Noise,
): Promise<Result[]> {
  const who = noise ? arms : (['ours', 'bare'] as const)
  const results: Result[] = []
  for (const way of ways) {
    next(`TCP ${way}, ${esp}`)
    const taken = await inTurn(stand, who, rounds, (lane) => tcp(stand, lane, way, seconds))
    results.push(...tcpResults(esp, way, taken, noise))
  }
  if (noise && !forPackets.includes(esp)) return results
  for (const way of packetWays) {
    next(`small packets ${way}, ${esp}`)
    const taken = await inTurn(stand, who, rounds, (lane) => smallPackets(stand, lane, way, seconds))
    results.push(...packetResults(esp, way, taken, noise))
  }
  return results
}

async function timedLogin(lane: Lane) {
  await lane.client.disconnect()
  const before = lane.server.guest.processorSeconds()
  const seconds = await logIn(lane, forLogins)
  return { seconds, processor: lane.server.guest.processorSeconds() - before }
}

/** Packets of another size would be another load. */
async function alike({ lanes }: Stand): Promise<void> {
  const [ours, theirs] = [await mtus(lanes.ours), await mtus(lanes.theirs)]
  if (ours !== theirs) throw new Error(`the sessions' MTUs differ: ${ours} octets with ours, ${theirs} with theirs`)
}

/** Figures with the same words together. */
function sorted(results: readonly Result[]): readonly Result[] {
  const order = [...new Set(results.map(({ what }) => what))]
  return results.toSorted((a, b) => order.indexOf(a.what) - order.indexOf(b.what))
}
