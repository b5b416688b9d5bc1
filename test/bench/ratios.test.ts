// A small bench in CI: seconds, processor time where batches are long, path and engine in turns. A loss counts only if three runs in a row show it, each
// longer than the one before.
import { describe, expect, test } from 'vitest'
import { loadNative, type NativeBenchResult } from '../../src/platform/addon.ts'
import { expected, losses } from './ratios.ts'

const engine = 'ipsec-mb'
const here = loadNative()
  .listEngines()
  .some(({ name }) => name === engine)

function run(milliseconds: number): readonly NativeBenchResult[] {
  const algorithms = [...new Set(expected.map(({ algorithm }) => algorithm))]
  const options = { milliseconds, repeats: 9, engines: [engine], algorithms, sizes: [1400, 0] }
  return loadNative().benchEngines(options, () => true)
}

test.skipIf(!here)(
  `ESP keeps its share of what ${engine} does alone`,
  () => {
    let lost = losses(run(5))
    for (const milliseconds of [20, 80]) {
      if (lost.length > 0) lost = losses(run(milliseconds))
    }
    expect(lost).toEqual([])
  },
  120_000,
)

describe('the bound', () => {
  const result = (fields: Partial<NativeBenchResult>): NativeBenchResult => ({
    ...{
      engine,
      algorithm: 'aes128gcm16',
      direction: 'seal',
      size: '1400',
      gbps: 60,
      packetsPerSecond: 5e6,
      spread: 0,
    },
    ...{ limitGbps: 75, ratio: 0.8, ratioSpread: 0, processorShare: 1, loaded: false, ...fields },
  })

  test('is missed by a loss that the run is too still to explain', () => {
    expect(losses([result({ ratio: 0.59 })])).toEqual([
      { what: 'aes128gcm16, 1400, seal', ratio: 0.59, least: expect.closeTo(0.6) },
    ])
    expect(losses([result({ ratio: 0.61 }), result({ algorithm: 'des-sha1', ratio: 0.1 })])).toEqual([])
  })

  test('is as wide as the repeats differ', () => {
    expect(losses([result({ ratio: 0.4, ratioSpread: 0.09 })])).toEqual([])
    expect(losses([result({ ratio: 0.2, ratioSpread: 0.09 })])).toHaveLength(1)
    expect(losses([result({ ratio: 0.01, ratioSpread: 0.3 })])).toEqual([])
  })
})
