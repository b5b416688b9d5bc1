// What `bench engines --tune` measures, by the native bench itself with one packet's worth of time each.
import { expect, test } from 'vitest'
import { loadNative } from '../../platform/addon.ts'
import { measure } from './tune.ts'

const native: Parameters<typeof measure>[0] = {
  benchEngines: (options, progress) =>
    loadNative().benchEngines({ ...options, milliseconds: 1, repeats: 1, securityAssociations: 2, batch: 4 }, progress),
}
const plan = { engines: ['openssl'], algorithms: ['aes128-sha1', '3des-sha1'], kernel: [] }

/** Each algorithm once a size, idle and loaded, sealing. */
function measured(quick: boolean): { readonly seen: readonly string[]; readonly told: readonly number[] } {
  // Told before each: how many are done, of how many.
  let told: readonly number[] = []
  const results = measure(native, plan, quick, (now, all) => {
    told = [now, all]
  })
  const seen = results
    .filter(({ direction }) => direction === 'seal')
    .map(({ engine, algorithm, size, loaded }) => `${engine} ${algorithm} ${size} ${loaded ? 'loaded' : 'idle'}`)
  return { seen, told }
}

const each = (sizes: readonly (number | string)[]) =>
  ['idle', 'loaded'].flatMap((state) =>
    plan.algorithms.flatMap((algorithm) => sizes.map((size) => `openssl ${algorithm} ${size} ${state}`)),
  )

test('every engine at 64, 512 and 1,400 octets and IMIX, idle and loaded', () => {
  expect(measured(false)).toEqual({ seen: each([64, 512, 1400, 'imix']), told: [15, 16] })
})

test('quickly: IMIX alone, idle and loaded', () => {
  expect(measured(true)).toEqual({ seen: each(['imix']), told: [3, 4] })
})
