import { expect, test } from 'vitest'
import type { EventLog } from './event-log.ts'
import { Forwarders } from './forwarders.ts'

function world(there: Set<string>) {
  const open = new Set<string>()
  const troubles: string[] = []
  let due: (() => void) | undefined
  const platform = {
    forwardDns: async (address: string) => {
      if (!there.has(address)) throw new Error('no such address')
      open.add(address)
      return { close: async () => void open.delete(address) }
    },
    timers: {
      after: (_: number, run: () => void) => {
        due = run
        return () => {
          due = undefined
        }
      },
    },
  }
  const events = { emit: ({ what, why }: { what: string; why: string }) => void troubles.push(`${what}: ${why}`) }
  const forwarders = new Forwarders(platform, events as unknown as EventLog)
  const later = async () => {
    const run = due
    due = undefined
    run?.()
    await new Promise(setImmediate)
  }
  return { forwarders, open, troubles, later, waits: () => due !== undefined }
}

test('DNS is answered at each address, and no longer at one that is taken away', async () => {
  const { forwarders, open, waits } = world(new Set(['10.99.0.1', '192.168.1.1']))
  await forwarders.serve(['10.99.0.1', '192.168.1.1'])
  expect([...open]).toEqual(['10.99.0.1', '192.168.1.1'])
  await forwarders.serve(['192.168.1.1'])
  expect([[...open], waits()]).toEqual([['192.168.1.1'], false])
})

test('an address that comes later is served then; what stood in the way is said once', async () => {
  const there = new Set(['10.99.0.1'])
  const { forwarders, open, troubles, later } = world(there)
  await forwarders.serve(['10.99.0.1', '192.168.1.1'])
  await later()
  there.add('192.168.1.1')
  await later()
  expect([...open]).toEqual(['10.99.0.1', '192.168.1.1'])
  expect(troubles).toEqual(['DNS at 192.168.1.1: no such address'])
})

test('after the end nothing is tried again', async () => {
  const { forwarders, open, waits } = world(new Set(['10.99.0.1']))
  await forwarders.serve(['10.99.0.1', '192.168.1.1'])
  await forwarders.close()
  expect([[...open], waits()]).toEqual([[], false])
})
