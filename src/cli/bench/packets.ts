// Small packets through the gateway's half alone, a core: from the socket through ESP, L2TP and PPP to the TUN and on to a device, and back. The generator
// (bench/flood.cc) is a thread of its own; what is told is the processor time of the worker's thread, so that neither generator nor sink counts.
import { spawn } from 'node:child_process'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { loadNative } from '../../platform/addon.ts'
import { ScratchNamespace } from '../scratch-namespace.ts'
import { needRoot } from './need-root.ts'
import { type Case, cases, type PacketsOptions, type PacketsRound } from './packets-process.ts'
import { ofRounds, type Progress, type Result, summarise } from './result.ts'

const script = fileURLToPath(new URL('./packets-process.ts', import.meta.url))
const octets = 64
/** UDP, L2TP and PPP headers, which are ESP payload too. */
const headers = 8 + 6 + 1
const aim = { atLeast: 1_000_000 }

export async function benchPackets(quick: boolean, progress: Progress): Promise<Result[]> {
  needRoot('packets')
  const proposals = quick ? ['aes128gcm16'] : ['aes128gcm16', 'aes256-sha1']
  const effort = quick ? { milliseconds: 200, rounds: 3 } : { milliseconds: 500, rounds: 9 }
  const all = proposals.length * (effort.rounds * cases.length + 1)
  let done = 0
  const results: Result[] = []
  for (const esp of proposals) {
    progress(done++, all, `ESP alone, ${esp}`)
    const limit = espAlone(esp)
    const rounds = await inNamespace({ esp, octets, ...effort }, (which) => {
      progress(done, all, `packets ${which}, ${esp}`)
      done = Math.min(done + 1, all)
    })
    for (const which of cases)
      results.push(
        resultOf(
          esp,
          which,
          rounds.filter((round) => round.case === which),
          limit,
        ),
      )
  }
  return results
}

/** Packets a second that sealing and opening alone allow. */
function espAlone(esp: string): { readonly seal: number; readonly open: number } {
  const native = loadNative()
  const options = { milliseconds: 20, repeats: 5, engines: [native.listEngines()[0]!.name], algorithms: [esp] }
  const found = native.benchEngines({ ...options, sizes: [octets + headers] }, () => true)
  const of = (direction: string) => found.find((one) => one.direction === direction)?.packetsPerSecond ?? Number.NaN
  return { seal: of('seal'), open: of('open') }
}

async function inNamespace(options: PacketsOptions, tell: (which: Case) => void): Promise<readonly PacketsRound[]> {
  const namespace = await ScratchNamespace.open()
  try {
    const child = spawn(...namespace.enter([process.execPath, script, JSON.stringify(options)]), {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let [text, complaint] = ['', '']
    let seen = 0
    child.stdout.on('data', (chunk) => {
      text += chunk
      for (const line of text.split('\n').slice(seen, -1)) {
        seen += 1
        tell((JSON.parse(line) as PacketsRound).case)
      }
    })
    child.stderr.on('data', (chunk) => {
      complaint += chunk
    })
    const code = await new Promise((resolve) => child.once('close', resolve))
    if (code !== 0) throw new Error(`packets can't be measured: ${complaint.trim()}`)
    return text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as PacketsRound)
  } finally {
    await namespace.close()
  }
}

function resultOf(
  esp: string,
  which: Case,
  rounds: readonly PacketsRound[],
  limits: { readonly seal: number; readonly open: number },
): Result {
  const limit = which.startsWith('in') ? limits.open : limits.seal
  const {
    value,
    limit: taken,
    ratio,
    spread,
    ratioSpread,
  } = ofRounds(rounds.map(({ packets, seconds, floor = limit }) => ({ value: packets / seconds, limit: floor })))
  const generator = summarise(rounds.map((round) => (round.generatorSeconds / round.offered) * 1e9)).median
  const lost = 1 - summarise(rounds.map((round) => round.packets / round.offered)).median
  return {
    what: `UDP packets of ${octets} octets, the gateway's half, a core`,
    esp,
    direction: which,
    perSecond: value,
    limit: taken,
    ratio,
    spread,
    ratioSpread,
    limitOf:
      rounds[0]?.floor === undefined
        ? 'for packets what ESP in memory does with packets of that size'
        : 'for packets one by one what a TUN gives to a reader who does nothing with them',
    aim,
    note: `${esp}, ${which}: ${(1e9 / value).toFixed(0)} ns a packet; the generator spends ${generator.toFixed(0)} ns besides and was ${(100 * lost).toFixed(0)} % too fast`,
  }
}
