// The fuzz targets hold on a short run too; the long one is the harness's.
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { hexVectors } from '../../test/vectors.ts'
import { fuzzTargets } from './fuzz.ts'

describe.each(Object.entries(fuzzTargets))('%s', (_, target) => {
  test('anything', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), target), { numRuns: 2000 })
  })

  test('real messages, changed', () => {
    const real = hexVectors('l2tp').map(({ octets }) => octets)
    const changes = fc.array(fc.tuple(fc.nat(120), fc.nat(255)), { maxLength: 8 })
    fc.assert(
      fc.property(fc.constantFrom(...real), changes, fc.boolean(), (base, changes, bodyOnly) => {
        const octets = base.slice()
        for (const [at, value] of changes) octets[at % octets.length] = value
        target(bodyOnly ? Uint8Array.from([octets.length - 12, ...octets.subarray(12)]) : octets)
      }),
      { numRuns: 2000 },
    )
  })
})
