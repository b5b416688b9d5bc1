// The daemon with nobody connected: its memory, and how soon after its start it accepts clients.
import { Field } from './field.ts'
import { needRoot } from './need-root.ts'
import { memoryOf, processorSeconds } from './process-figures.ts'
import { type Progress, type Result, summarise } from './result.ts'

const settleMs = 3_000

/** Needs root. `quick`: one start instead of five. */
export async function benchIdle(quick: boolean, progress: Progress): Promise<Result[]> {
  needRoot('idle')
  const starts = quick ? 1 : 5
  const figures = []
  for (let start = 0; start < starts; start++) {
    progress(start, starts, 'starting the daemon')
    figures.push(
      await Field.gatewayAlone({ users: 10, ike: '', esp: '', deadPeerSeconds: 60 }, async (field) => {
        const startSeconds = processorSeconds(field.gatewayPid)
        await new Promise((resolve) => setTimeout(resolve, settleMs))
        return { ...memoryOf(field.gatewayPid), startMs: field.startMs, startSeconds }
      }),
    )
  }
  const proportional = summarise(figures.map((figure) => figure.proportional / 1e6))
  const resident = summarise(figures.map((figure) => figure.resident / 1e6))
  const started = summarise(figures.map((figure) => figure.startMs))
  const cost = summarise(figures.map((figure) => figure.startSeconds * 1000))
  const result = { direction: '' } as const
  return [
    {
      ...result,
      what: 'memory of the idle daemon',
      esp: 'its share (PSS)',
      megabytes: proportional.median,
      spread: proportional.spread,
      aim: { atMost: 80 },
      note: `${Math.round(resident.median)} MB resident, with what other processes of the same Node share`,
    },
    {
      ...result,
      what: 'start of the daemon until ready',
      esp: 'by the clock',
      milliseconds: started.median,
      spread: started.spread,
      aim: { atMost: 1000 },
      note: 'on one core; whatever else the machine does makes it longer',
    },
    {
      ...result,
      what: 'start of the daemon until ready',
      esp: 'processor time',
      milliseconds: cost.median,
      spread: cost.spread,
      note: 'of all its threads: what the start takes where nothing else runs',
    },
  ]
}
