// TCP through a whole gateway and its clients, each in a network namespace of its own, beside a tunnel that does nothing (end.ts) between the same two
// kernels. All tunnels are up at once and each round measures every one of them in turn, so that what slows the machine down slows all.
import { availableParallelism } from 'node:os'
import { loadNative } from '../../platform/addon.ts'
import { type Direction, directions, needIperf, tcp } from './iperf.ts'
import { needRoot } from './need-root.ts'
import { type Aim, ofRounds, type Progress, type Result } from './result.ts'
import { Street } from './street.ts'

/** Which proposals, and what share of their limit is the aim. */
const proposals: readonly { readonly esp: string; readonly aim: Aim }[] = [
  { esp: 'aes128gcm16', aim: { ratio: 0.6 } },
  { esp: 'aes256-sha1', aim: { ratio: 0.5 } },
  { esp: '3des-sha1', aim: { ratio: 0.7 } },
]
/** Its cipher, and not the rest of the tunnel, is what limits it. */
const byCipher = '3des-sha1'
const nothing = 'no encryption'
const wire = 'bare wire'
/** Octets of the packets that the cipher alone is measured with. */
const size = 1400

/** Needs root and iperf3. */
export async function benchThroughput(quick: boolean, progress: Progress): Promise<Result[]> {
  needIperf()
  needRoot('throughput')
  const effort = quick ? { seconds: 1, rounds: 2 } : { seconds: 2, rounds: 7 }
  return Street.during(async (street) => {
    const all = proposals.length + 2
    progress(0, all, 'starting a gateway')
    const gateway = await street.namespace()
    const plain = await street.wire(gateway)
    street.houses.push({ name: wire, namespace: plain.client, server: plain.address })
    await street.connectNothing(nothing, gateway, plain)
    await street.startGateway(gateway)
    for (const [index, { esp }] of proposals.entries()) {
      progress(index + 2, all, `connecting a client, ${esp}`)
      await street.dial(esp, gateway, ['--esp', esp])
    }
    await street.serve(gateway)
    return measure(street, effort, progress)
  })
}

/** Gbit/s that a cipher's two directions allow a tunnel, both ends on this machine. */
export function cipherLimit(seal: number, open: number, direction: Direction, cores: number): number {
  const both = 1 / (1 / seal + 1 / open)
  // One flow is sealed by one thread and opened by another; two flows by four, on as many cores as there are.
  if (direction === 'both') return Math.min(2 * Math.min(seal, open), cores * both)
  return cores > 1 ? Math.min(seal, open) : both
}

type Round = { readonly name: string; readonly direction: Direction; readonly gbps: number; readonly round: number }

async function measure(
  street: Street,
  { seconds, rounds }: { readonly seconds: number; readonly rounds: number },
  progress: Progress,
): Promise<Result[]> {
  const { houses } = street
  const all = (houses.length + 1) * directions.length * rounds + 1
  let done = 0
  const runs: Round[] = []
  const engine = loadNative().listEngines()[0]?.name ?? ''
  progress(done++, all, 'warming up')
  for (const { namespace, server } of houses) await tcp(namespace, server, 'both', 1)
  for (let round = 0; round < rounds; round++) {
    const cipher = new Map<string, number>()
    for (const direction of directions) {
      for (const { name, namespace, server } of houses) {
        progress(done++, all, `TCP ${direction}, ${name}`)
        runs.push({ name, direction, gbps: await tcp(namespace, server, direction, seconds), round })
      }
      progress(done++, all, `its cipher alone, ${byCipher}`)
      const effort = { milliseconds: 20, repeats: 3, engines: [engine], algorithms: [byCipher], sizes: [size] }
      for (const { direction: way, limitGbps } of loadNative().benchEngines(effort, () => true))
        cipher.set(way, limitGbps)
      const gbps = cipherLimit(cipher.get('seal')!, cipher.get('open')!, direction, availableParallelism())
      runs.push({ name: 'cipher', direction, gbps, round })
    }
  }
  const of = (name: string, direction: Direction) =>
    runs.filter((run) => run.name === name && run.direction === direction).map(({ gbps }) => gbps)
  return results(of)
}

function results(of: (name: string, direction: Direction) => readonly number[]): Result[] {
  const what = 'TCP, one client, one stream'
  const tunnels = proposals.flatMap(({ esp, aim }) =>
    directions.map((direction): Result => {
      const limits = of(esp === byCipher ? 'cipher' : nothing, direction)
      const { value, limit, ratio, spread, ratioSpread } = ofRounds(
        of(esp, direction).map((gbps, round) => ({ value: gbps, limit: limits[round]! })),
      )
      const limitOf =
        esp === byCipher
          ? 'of 3DES what its cipher allows both ends on these cores, the engine alone at the same packet size'
          : 'the same tunnel without encryption, in the same round'
      return { what, esp, direction, gbps: value, limit, ratio, spread, ratioSpread, limitOf, aim }
    }),
  )
  const base = directions.map((direction): Result => {
    const [mine, bare] = [of(nothing, direction), of(wire, direction)]
    const { value, limit, ratio, spread, ratioSpread } = ofRounds(
      mine.map((gbps, round) => ({ value: gbps, limit: bare[round]! })),
    )
    const words = 'for the tunnel without encryption the bare wire between the two namespaces'
    return { what, esp: nothing, direction, gbps: value, limit, ratio, spread, ratioSpread, limitOf: words }
  })
  return [...tunnels, ...base]
}
