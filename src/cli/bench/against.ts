// `bench against softether`: the same client of ours, TCP through our gateway and through SoftEther's server, in turn, on the same machine. Both servers
// end TCP on a device of their own; all sessions are up at once, and each round measures every one of them.
import { type Direction, directions, needIperf, tcp } from './iperf.ts'
import { needRoot } from './need-root.ts'
import { ofRounds, type Progress, type Result } from './result.ts'
import { needSoftEther, softEtherInside, softEtherNetwork, startSoftEther } from './softether.ts'
import { Street } from './street.ts'

/** Of what SoftEther does; it has no SHA2 and no GCM in ESP. */
const proposals = [
  { esp: 'aes128-sha1', times: 5 },
  { esp: '3des-sha1', times: 3 },
] as const
/** SoftEther has no elliptic curves. */
const ike = 'aes256-sha1-modp2048'

/** Needs root, iperf3 and SoftEther's server. */
export async function benchAgainstSoftEther(quick: boolean, progress: Progress): Promise<Result[]> {
  needIperf()
  needRoot('against softether')
  needSoftEther()
  const effort = quick ? { seconds: 1, rounds: 2 } : { seconds: 2, rounds: 7 }
  return Street.during(async (street) => {
    const [ours, theirs] = [await street.namespace(), await street.namespace()]
    progress(0, 3, 'starting both servers')
    const first = await street.wire(theirs)
    const version = await startSoftEther(street, theirs, first.address)
    await street.startGateway(ours)
    for (const { esp } of proposals) {
      progress(1, 3, `connecting two clients, ${esp}`)
      const options = ['--ike', ike, '--esp', esp]
      await street.dial(`ours ${esp}`, ours, options)
      const there = [...options, '--route', softEtherNetwork]
      await street.dial(`theirs ${esp}`, theirs, there, softEtherInside, await wireTo(street, theirs, first))
    }
    await street.serve(ours)
    await street.serve(theirs)
    return measure(street, effort, version, progress)
  })
}

/** It listens on one address only: every client reaches that, over a wire of its own. */
async function wireTo(street: Street, theirs: Awaited<ReturnType<Street['namespace']>>, first: { address: string }) {
  const { client, address } = await street.wire(theirs)
  client.run('ip', ['route', 'add', `${first.address}/32`, 'via', address])
  return { client, address: first.address }
}

async function measure(
  street: Street,
  { seconds, rounds }: { readonly seconds: number; readonly rounds: number },
  version: string,
  progress: Progress,
): Promise<Result[]> {
  const all = street.houses.length * directions.length * rounds + 1
  let done = 0
  const figures = new Map<string, number[]>()
  progress(done++, all, 'warming up')
  for (const { namespace, server } of street.houses) await tcp(namespace, server, 'both', 1)
  for (let round = 0; round < rounds; round++) {
    for (const direction of directions) {
      for (const { name, namespace, server } of street.houses) {
        progress(done++, all, `TCP ${direction}, ${name}`)
        const key = `${name} ${direction}`
        figures.set(key, [...(figures.get(key) ?? []), await tcp(namespace, server, direction, seconds)])
      }
    }
  }
  return proposals.flatMap(({ esp, times }) =>
    directions.map((direction) => resultOf(esp, direction, times, figures, version)),
  )
}

function resultOf(
  esp: string,
  direction: Direction,
  times: number,
  figures: ReadonlyMap<string, readonly number[]>,
  version: string,
): Result {
  const theirs = figures.get(`theirs ${esp} ${direction}`) ?? []
  const mine = (figures.get(`ours ${esp} ${direction}`) ?? []).map((value, round) => ({ value, limit: theirs[round]! }))
  const { value, limit, ratio, spread, ratioSpread } = ofRounds(mine)
  return {
    what: 'TCP, one client, beside SoftEther',
    esp,
    direction,
    gbps: value,
    limit,
    ratio,
    spread,
    ratioSpread,
    limitOf: `what SoftEther (${version}) does in the same round with the same client`,
    aim: { ratio: times },
  }
}
