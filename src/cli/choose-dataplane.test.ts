// The choice of the data plane, from what a kernel showed.
import { expect, test } from 'vitest'
import type { EspProposal } from '../algorithms/algorithms.ts'
import { chooseDataplane, type DataplaneWish } from './choose-dataplane.ts'

const gcm: EspProposal = { cipher: 'aes128gcm16', hash: undefined, group: undefined }
const cbc: EspProposal = { cipher: 'aes256', hash: 'sha1', group: 'modp2048' }
const able = { usable: true, why: 'all of it answered', ciphers: ['aes128gcm16', 'aes256-sha1'], missing: [] }
const unable = {
  usable: false,
  why: 'ESP is missing',
  ciphers: [],
  missing: [
    'ESP with aes128gcm16 (Requested AEAD algorithm not found)',
    'ESP with aes128-sha1 (Requested type not found)',
    'PPPoL2TP sockets (Address family not supported)',
  ],
}
const wish: DataplaneWish = { dataplane: 'auto', offload: 'auto', esp: [gcm, cbc] }

test('auto, everything works: the kernel, and why', () => {
  expect(chooseDataplane(wish, () => able)).toEqual({
    plane: 'kernel',
    why: 'ESP, L2TP and PPP were tried in this kernel, and work',
  })
})

test('auto, something is missing: userland, and what is missing', () => {
  expect(chooseDataplane(wish, () => unable)).toEqual({
    plane: 'userland',
    why: "the kernel can't: ESP (Requested AEAD algorithm not found), PPPoL2TP sockets (Address family not supported)",
  })
})

test('auto, a proposal that the configuration allows is missing: userland, and which', () => {
  expect(chooseDataplane(wish, () => ({ ...able, ciphers: ['aes128gcm16'] }))).toEqual({
    plane: 'userland',
    why: 'the kernel has no aes256-sha1, which the configuration allows',
  })
})

test('userland: always, and nothing is tried', () => {
  expect(chooseDataplane({ ...wish, dataplane: 'userland' }, () => expect.unreachable())).toEqual({
    plane: 'userland',
    why: 'the configuration says so',
  })
})

test('kernel, where it works', () => {
  expect(chooseDataplane({ ...wish, dataplane: 'kernel' }, () => able)).toEqual({
    plane: 'kernel',
    why: 'the configuration says so',
  })
})

test('kernel, where it does not: what is missing and what to do', () => {
  const forced = { ...wish, dataplane: 'kernel' } as const
  expect(() => chooseDataplane(forced, () => unable)).toThrow(
    "dataplane: kernel can't work here: ESP (Requested AEAD algorithm not found), PPPoL2TP sockets (Address family not supported); load what is missing (modprobe",
  )
  expect(() => chooseDataplane(forced, () => ({ ...able, ciphers: ['aes256-sha1'] }))).toThrow(
    /no aes128gcm16, which the configuration allows; .*remoteAccess\.esp/,
  )
})

test('a probe without parts: its sentence', () => {
  expect(chooseDataplane(wish, () => ({ ...unable, missing: [] })).why).toBe("the kernel can't: ESP is missing")
})
