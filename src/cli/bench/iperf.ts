// TCP by iperf3 from inside of a namespace: Gbit/s that arrived.
import { spawn, spawnSync } from 'node:child_process'
import type { ScratchNamespace } from '../scratch-namespace.ts'

export const directions = ['up', 'down', 'both'] as const
/** From the client to the server, back, or at once. */
export type Direction = (typeof directions)[number]

/** Seconds more than a measurement takes, on a machine that has other work. */
const patience = 60

/** Throws an Error that says what to install. */
export function needIperf(): void {
  if (spawnSync('iperf3', ['--version'], { stdio: 'ignore' }).status !== 0) {
    throw new Error('throughput is measured with iperf3, which is not here: apt-get install iperf3')
  }
}

type Report = {
  readonly error?: string | undefined
  readonly end?: {
    readonly sum_received?: { readonly bits_per_second: number }
    readonly sum_received_bidir_reverse?: { readonly bits_per_second: number }
  }
}

/** The server; SIGTERM ends it. Resolves when it listens. */
export async function serveIperf(namespace: ScratchNamespace): Promise<() => Promise<void>> {
  const child = spawn(...namespace.enter(['iperf3', '--server']), { stdio: 'ignore' })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  for (let tries = 0; !namespace.run('ss', ['-lnt']).includes(':5201 '); tries++) {
    if (tries > 200 || child.exitCode !== null) throw new Error('iperf3 --server does not listen on port 5201')
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  return async () => {
    child.kill('SIGTERM')
    await ended
  }
}

/** One stream each way for so many seconds; of both directions the sum. */
export async function tcp(
  from: ScratchNamespace,
  server: string,
  direction: Direction,
  seconds: number,
): Promise<number> {
  for (let tries = 1; ; tries++) {
    const report = await measured(from, server, direction, seconds)
    const { sum_received: there, sum_received_bidir_reverse: back } = report.end ?? {}
    if (there && (direction !== 'both' || back)) return (there.bits_per_second + (back?.bits_per_second ?? 0)) / 1e9
    const why = (report.error ?? 'no end within its time').trim().slice(0, 300)
    // After each test iperf3's server opens its port anew, and who comes in that moment is turned away.
    if (tries === 3 || !why.startsWith('unable to connect')) throw new Error(`iperf3 to ${server} failed: ${why}`)
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
}

async function measured(
  from: ScratchNamespace,
  server: string,
  direction: Direction,
  seconds: number,
): Promise<Report> {
  const way = { up: [], down: ['--reverse'], both: ['--bidir'] }[direction]
  const child = spawn(...from.enter(['iperf3', '--client', server, '--json', '--time', String(seconds), ...way]), {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let [text, complaint] = ['', '']
  child.stdout.on('data', (chunk) => {
    text += chunk
  })
  child.stderr.on('data', (chunk) => {
    complaint += chunk
  })
  // A tunnel that carries nothing would hold it for ever.
  const late = setTimeout(() => child.kill('SIGKILL'), (seconds + patience) * 1000)
  await new Promise((resolve) => child.once('close', resolve))
  clearTimeout(late)
  try {
    return JSON.parse(text) as Report
  } catch {
    return { error: complaint || text || undefined }
  }
}
