// What connected sessions cost: memory of the whole process, keeping them alive, and what they add to the forwarding of one session's packets. All figures are those
// of the gateway's process; the fleet's is another.
import { spawnSync } from 'node:child_process'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { Field } from './field.ts'
import { needRoot } from './need-root.ts'
import { memoryOf, processorSeconds, threadSeconds } from './process-figures.ts'
import { type Progress, type Result, summarise } from './result.ts'

export type Effort = {
  readonly sessions: number
  /** The bound of the memory, in MB (10^6 octets). */
  readonly megabytes: number
  readonly aliveSeconds: number
  readonly packets: number
  readonly rounds: number
  /** Until all are in. */
  readonly seconds: number
  /** After the last login, at least and at most: IKE keeps its answers for a minute, and V8 has garbage of the logins to collect. */
  readonly settleSeconds: readonly [least: number, most: number]
}

const whole: Effort = {
  sessions: 10_000,
  megabytes: 600,
  aliveSeconds: 60,
  packets: 200_000,
  rounds: 12,
  seconds: 420,
  settleSeconds: [65, 180],
}
const short: Effort = {
  sessions: 500,
  megabytes: 600,
  aliveSeconds: 30,
  packets: 20_000,
  rounds: 8,
  seconds: 120,
  settleSeconds: [15, 60],
}
/** `bench sessions 50000`: by itself, since it takes minutes and gigabytes. */
const many: Effort = { ...whole, sessions: 50_000, megabytes: 3000, seconds: 1800 }
/** What signs of life and a packet may cost is said of so many sessions; of more the memory alone. */
const aimedAt = whole.sessions
/** Logins under way at once, at most. */
const mostAtOnce = 64
/** Settled: the memory has moved by less than this share in so many seconds. */
const settled = { share: 0.01, seconds: 15 } as const

const sender = fileURLToPath(new URL('datagrams.ts', import.meta.url))
/** As native/pipeline/worker.cc names it. */
const workerThread = 'gatehouse-esp'
/** The clients' first address: the first session's. */
const firstClient = '10.96.1.0'

export function benchSessions(quick: boolean, progress: Progress): Promise<Result[]> {
  return measureSessions(quick ? short : whole, progress)
}

export function benchManySessions(_quick: boolean, progress: Progress): Promise<Result[]> {
  return measureSessions(many, progress)
}

export async function measureSessions(effort: Effort, progress: Progress): Promise<Result[]> {
  needRoot('sessions')
  const { sessions, aliveSeconds } = effort
  const options = {
    users: Math.min(sessions, 10_000),
    ike: 'aes256-sha256-ecp256',
    esp: 'aes128-sha1',
    deadPeerSeconds: 60,
  }
  return Field.with(options, async (field) => {
    const empty = memoryOf(field.gatewayPid).resident
    progress(0, 4, 'one session')
    await logIn(field, 1, effort.seconds)
    const alone = forwarding(field, effort)
    progress(1, 4, `${sessions} sessions`)
    await logIn(field, sessions - 1, effort.seconds)
    progress(2, 4, 'until the memory has settled')
    const resident = await settledMemory(field.gatewayPid, effort)
    const among = forwarding(field, effort)
    progress(3, 4, `keeping ${sessions} sessions alive for ${aliveSeconds} s`)
    const before = { all: processorSeconds(field.gatewayPid), workers: threadSeconds(field.gatewayPid, workerThread) }
    const since = performance.now()
    await sleep(aliveSeconds)
    const passed = (performance.now() - since) / 1000
    const share = (processorSeconds(field.gatewayPid) - before.all) / passed
    const workers = (threadSeconds(field.gatewayPid, workerThread) - before.workers) / passed
    const { up, dropped } = await field.count()
    if (up !== sessions)
      throw new Error(
        `${sessions - up} of ${sessions} sessions were lost: ${[...new Set(dropped)].slice(0, 3).join('; ')}`,
      )
    return resultsOf(effort, { empty, resident, share, workers, alone, among })
  })
}

const sleep = (seconds: number) => new Promise((resolve) => setTimeout(resolve, seconds * 1000))

/** Octets resident, once they don't change any more. */
async function settledMemory(pid: number, { settleSeconds: [least, most] }: Effort): Promise<number> {
  await sleep(least)
  let resident = memoryOf(pid).resident
  for (let waited = least; waited < most; waited += settled.seconds) {
    await sleep(settled.seconds)
    const now = memoryOf(pid).resident
    const still = Math.abs(now - resident) <= settled.share * now
    resident = now
    if (still) break
  }
  return resident
}

type Figures = {
  readonly empty: number
  readonly resident: number
  /** Of a core, while nothing but signs of life is exchanged. */
  readonly share: number
  /** Of that, the threads that move packets. */
  readonly workers: number
  /** Microseconds of processor time a packet, each round. */
  readonly alone: readonly number[]
  readonly among: readonly number[]
}

function resultsOf(
  { sessions, megabytes }: Effort,
  { empty, resident, share, workers, alone, among }: Figures,
): Result[] {
  const told = `${sessions.toLocaleString('en')} sessions`
  // The round that was least disturbed: they lie minutes apart, and other work on the machine only ever adds to a packet's cost.
  const [one, all] = [Math.min(...alone), Math.min(...among)]
  return [
    {
      what: 'memory, whole process',
      esp: told,
      direction: '',
      megabytes: resident / 1e6,
      spread: 0,
      aim: { atMost: megabytes },
      note: `${Math.round((resident - empty) / sessions / 1000)} kB a session above the ${Math.round(empty / 1e6)} MB without any`,
    },
    {
      what: 'keeping alive',
      esp: told,
      direction: '',
      corePercent: 100 * share,
      spread: 0,
      ...(sessions <= aimedAt && { aim: { atMost: 10 } }),
      note: `LCP echoes and NAT keepalives of both ends, nothing else; ${(100 * workers).toFixed(2)} % of it is the workers’; a dead peer is known after 60 s`,
    },
    {
      what: 'forwarding, packets to one client',
      esp: told,
      direction: 'down',
      perSecond: 1e6 / all,
      limit: 1e6 / one,
      ratio: one / all,
      limitOf: 'the same with this session alone; of either the round that was least disturbed',
      spread: summarise(among).spread,
      ...(sessions <= aimedAt && { aim: { ratio: 1 / 1.2 } }),
      note: `a packet costs ${all.toFixed(2)} µs of processor time, ${one.toFixed(2)} with one session`,
    },
  ]
}

async function logIn(field: Field, count: number, seconds: number): Promise<void> {
  const { lost } = await field.logIn(count, mostAtOnce, seconds, true)
  if (lost.length > 0) throw new Error(`${lost.length} logins failed: ${lost[0]}`)
}

/**
 * Microseconds of processor time a packet that goes through the TUN to the first client, each round. Of the workers alone: meanwhile the main thread hears
 * signs of life, which are counted by themselves.
 */
function forwarding(field: Field, { packets, rounds }: Effort): number[] {
  return Array.from({ length: rounds + 1 }, () => {
    const before = threadSeconds(field.gatewayPid, workerThread)
    const [file, args] = field.gatewaySide.enter([
      process.execPath,
      '--disable-warning=ExperimentalWarning',
      sender,
      firstClient,
      String(packets),
    ])
    const { status, stdout, stderr } = spawnSync(file, args, { encoding: 'utf8', timeout: 120_000 })
    if (status !== 0) throw new Error(`packets could not be sent: ${stderr}`)
    return ((threadSeconds(field.gatewayPid, workerThread) - before) * 1e6) / Math.max(Number(stdout), 1)
    // The first warms up.
  }).slice(1)
}
