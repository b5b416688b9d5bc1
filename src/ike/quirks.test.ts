// Each quirk, with and without the fingerprint that it is for.
import { expect, test } from 'vitest'
import { hasQuirk, quirks, quirksOf, tolerances } from './quirks.ts'
import { readEspTransform } from './transforms.ts'
import { attribute } from './wire/attributes.ts'
import { espAttribute, espTransform } from './wire/numbers.ts'

test('each quirk and tolerance says why and where that is known from', () => {
  for (const [name, { reason, source }] of Object.entries({ ...quirks, ...tolerances }))
    expect([name, reason.length > 20, source.length > 5]).toEqual([name, true, true])
})

test('quirks go by kind or by software, and nobody unknown has any', () => {
  expect(hasQuirk('dozes', { client: 'android' })).toBe(true)
  expect(hasQuirk('key length swapped', { client: 'windows', software: 'Windows Vista or Server 2008' })).toBe(true)
  expect(hasQuirk('key length swapped', { client: 'windows', software: 'Windows 7 or Server 2008 R2' })).toBe(false)
  expect(quirksOf({ client: 'unknown', software: 'unknown' })).toEqual([])
})

test('a key length in the wrong order is read only for who has the quirk; one in the right order always', () => {
  const aes = (bits: number) => ({
    number: 1,
    id: espTransform['AES-CBC'],
    attributes: [attribute(espAttribute['Authentication Algorithm'], 2), attribute(espAttribute['Key Length'], bits)],
  })
  const read = (bits: number, swapped: boolean) => readEspTransform(aes(bits), swapped).algorithms?.cipher
  expect([0x8000, 0xc000, 0x0001, 128, 256].map((bits) => [read(bits, true), read(bits, false)])).toEqual([
    ['aes128', undefined],
    ['aes192', undefined],
    ['aes256', undefined],
    ['aes128', 'aes128'],
    ['aes256', 'aes256'],
  ])
})
