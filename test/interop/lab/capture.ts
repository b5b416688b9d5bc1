// Watches what really passes at a place of the lab: tcpdump in a namespace, one line a packet.
import { spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Network, Place } from './network.ts'
import { until } from './run.ts'

export type Capture = {
  /** The packets so far, one line each; waits `settleMs` first for what is under way. */
  lines(settleMs?: number): Promise<string[]>
  stop(): void
}

/** Starts to watch a device; answers when tcpdump listens. `filter` is pcap-filter(7). */
export async function capture(network: Network, place: Place, device: string, filter: string): Promise<Capture> {
  const words = ['netns', 'exec', network.ns(place), 'tcpdump', '-n', '-l', '--immediate-mode', '-i', device, filter]
  const child = spawn('ip', words, { stdio: ['ignore', 'pipe', 'pipe'] })
  let [seen, said] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text) => {
    seen += text
  })
  child.stderr.setEncoding('utf8').on('data', (text) => {
    said += text
  })
  await until(`tcpdump to listen in ${place}: ${said}`, () => said.includes('listening on'))
  return {
    lines: async (settleMs = 500) => {
      await sleep(settleMs)
      return seen.split('\n').filter((line) => line !== '')
    },
    stop: () => child.kill('SIGTERM'),
  }
}
