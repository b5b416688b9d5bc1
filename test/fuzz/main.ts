// `npm run fuzz -- [--inputs 10000000] [--seed N] [--target WORDS] [--workers N]`: the long run. Each worker takes its own seed and has a bounded heap, so that a
// leak ends it; this thread watches that every input comes to an end. `--replay FILE` feeds what a failed run has written down.
import { readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { hex, unhex } from '../../src/wire/codec.ts'
import { type Failure, fuzz, type Report, replay } from './run.ts'
import type { Target } from './target.ts'
import { targets } from './targets/all.ts'

/** Milliseconds that one input may take before the run counts as hung: a thousand times what the slowest takes. */
const hungAfter = 10_000
/** Megabytes of heap for each worker, corpus and code included. */
const heapMegabytes = 256
/** Megabytes of the whole process: octets outside the heaps count here. */
const processMegabytes = 1500
/** Octets of an input that are shown where it hangs. */
const shownOctets = 4096

/** Shared with a worker: inputs fed, target, length and octets of the current one. */
type Shared = { readonly words: Int32Array; readonly octets: Uint8Array }
type Job = {
  readonly seed: number
  readonly inputs: number
  readonly target: string
  readonly buffer: SharedArrayBuffer
}

function share(buffer: SharedArrayBuffer): Shared {
  return { words: new Int32Array(buffer, 0, 4), octets: new Uint8Array(buffer, 16) }
}

function chosen(words: string): readonly Target[] {
  const found = targets.filter(({ name }) => name.includes(words))
  if (found.length === 0) {
    process.stderr.write(`no target is called ${words}; there are ${targets.map(({ name }) => name).join(', ')}\n`)
    process.exit(2)
  }
  return found
}

function work({ seed, inputs, target, buffer }: Job): void {
  const { words, octets: shown } = share(buffer)
  const before = (index: number, octets: Uint8Array) => {
    shown.set(octets.subarray(0, shownOctets))
    words[2] = octets.length
    words[1] = index
    Atomics.add(words, 0, 1)
  }
  parentPort!.postMessage(fuzz(chosen(target), seed, inputs, { before }))
}

type Ending = { readonly seed: number; readonly report?: Report; readonly broke?: string }

function run(job: Omit<Job, 'buffer'>, onProgress: (fed: () => number) => void): Promise<Ending> {
  const buffer = new SharedArrayBuffer(16 + shownOctets)
  const { words, octets } = share(buffer)
  const worker = new Worker(new URL(import.meta.url), {
    workerData: { ...job, buffer } satisfies Job,
    resourceLimits: { maxOldGenerationSizeMb: heapMegabytes },
  })
  onProgress(() => Atomics.load(words, 0))
  const at = () => {
    const name = chosen(job.target)[words[1]!]!.name
    return `${name}, input ${words[0]}: ${hex(octets.slice(0, Math.min(words[2]!, shownOctets)))}`
  }
  return new Promise((resolve) => {
    let [last, since] = [-1, Date.now()]
    const watch = setInterval(() => {
      const fed = Atomics.load(words, 0)
      if (fed !== last) [last, since] = [fed, Date.now()]
      if (fed > 0 && Date.now() - since > hungAfter) end({ seed: job.seed, broke: `hangs on ${at()}` })
    }, 500)
    const end = (ending: Ending) => {
      clearInterval(watch)
      void worker.terminate()
      resolve(ending)
    }
    worker.on('message', (report: Report) => end({ seed: job.seed, report }))
    worker.on('error', (error) => end({ seed: job.seed, broke: `${error.message}, at ${at()}` }))
  })
}

function save(failure: Failure): string {
  const file = `fuzz-${failure.target.replace(/\W+/g, '-')}-${failure.seed}-${failure.episode}.json`
  writeFileSync(file, `${JSON.stringify(failure, undefined, 2)}\n`)
  return file
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      inputs: { type: 'string', default: '10000000' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      target: { type: 'string', default: '' },
      workers: { type: 'string', default: String(Math.min(2, availableParallelism())) },
      replay: { type: 'string' },
    },
  })
  if (values.replay !== undefined) return again(values.replay)
  const [inputs, seed, workers] = [values.inputs, values.seed, values.workers].map(Number) as [number, number, number]
  const count = chosen(values.target).length
  process.stdout.write(`fuzz: ${inputs} inputs over ${count} targets, seed ${seed}, ${workers} workers\n`)
  const began = Date.now()
  const counters: (() => number)[] = []
  let mostMegabytes = 0
  const memory = () => {
    const now = Math.round(process.memoryUsage().rss / 1e6)
    mostMegabytes = Math.max(mostMegabytes, now)
    return now
  }
  const progress = setInterval(() => {
    const fed = counters.reduce((sum, counter) => sum + counter(), 0)
    const seconds = (Date.now() - began) / 1000
    process.stdout.write(`fuzz: ${fed} inputs, ${Math.round(fed / seconds)} a second, ${memory()} MB\n`)
  }, 10_000)
  const jobs = Array.from({ length: workers }, (_, i) => ({
    seed: seed + i,
    inputs: Math.ceil(inputs / workers),
    target: values.target,
  }))
  const endings = await Promise.all(jobs.map((job) => run(job, (counter) => counters.push(counter))))
  clearInterval(progress)
  memory()
  process.exitCode = summary(endings, (Date.now() - began) / 1000)
  if (mostMegabytes <= processMegabytes) return
  process.stdout.write(
    `fuzz: ${mostMegabytes} MB of memory at most, ${processMegabytes} are allowed: something leaks\n`,
  )
  process.exitCode = 1
}

function summary(endings: readonly Ending[], seconds: number): number {
  let wrong = 0
  let [fed, outcomes] = [0, 0]
  for (const { seed, report, broke } of endings) {
    if (broke !== undefined) {
      wrong++
      process.stdout.write(`fuzz: seed ${seed} ${broke}\n`)
    }
    fed += report?.inputs ?? 0
    outcomes += report?.outcomes ?? 0
    for (const failure of report?.failures ?? []) {
      wrong++
      process.stdout.write(
        `fuzz: ${failure.target} failed, seed ${seed}: ${failure.error}\nfuzz: written to ${save(failure)}\n`,
      )
    }
    if (report)
      process.stdout.write(
        `fuzz: seed ${seed}: slowest input ${report.slowest.ms.toFixed(1)} ms in ${report.slowest.target}\n`,
      )
  }
  process.stdout.write(
    `fuzz: ${fed} inputs in ${Math.round(seconds)} s, ${outcomes} outcomes, ${wrong === 0 ? 'nothing found' : `${wrong} found`}\n`,
  )
  return wrong === 0 ? 0 : 1
}

function again(file: string): void {
  const failure = JSON.parse(readFileSync(file, 'utf8')) as Failure
  const target = targets.find(({ name }) => name === failure.target)
  if (!target) throw new Error(`there is no target ${failure.target}`)
  replay(target, failure.seed, failure.episode, failure.inputs.map(unhex))
  process.stdout.write('fuzz: nothing happens any more\n')
}

if (isMainThread) await main()
else work(workerData as Job)
