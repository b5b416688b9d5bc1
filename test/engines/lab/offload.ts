// Runs in a guest: a kernel data plane with the option `offload` of the arguments (a device's name or `auto`, `crypto`, `packet`), with a pair of AES-GCM (`gcm`) or of AES-CBC with SHA1 (`cbc`).
// Prints what the plane says of itself then, and what the device has counted.
import { readFileSync } from 'node:fs'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import type { EspSa, FastPathEvent } from '../../../src/platform/fast-path.ts'
import { openKernel } from '../../../src/platform/kernel.ts'

const [offload = 'auto', what = 'gcm'] = process.argv.slice(2)
const path = { local: { address: '192.0.2.1', port: 500 }, remote: { address: '192.0.2.2', port: 500 } }
const plane = openKernel({
  listen: ['192.0.2.1'],
  ports: { ike: 0, natt: 0 },
  tunName: 'goff0',
  tunAddress: undefined,
  tunMtu: 1400,
  workers: 1,
  engine: undefined,
  offload,
})
const applied = new Map<number, FastPathEvent>()
plane.listen((batch) => {
  for (const event of batch) if (event.on === 'applied') applied.set(event.job, event)
})

async function pair(peer: number, spi: number, sa: Omit<EspSa, 'spi' | 'esn'>): Promise<void> {
  plane.apply(peer, [
    { do: 'addPeer', peer },
    {
      ...{ do: 'addPair', peer, path, encapsulated: false, mode: 'transport', use: true, replayWindow: 64 },
      ...{ inbound: { ...sa, spi, esn: false }, outbound: { ...sa, spi: spi + 1, esn: false } },
    },
  ])
  for (let i = 0; i < 600 && !applied.has(peer); i++) await sleep(50)
  const event = applied.get(peer)
  const failure = event?.on === 'applied' ? event.failure?.message : 'no answer'
  const note = event?.on === 'applied' ? event.note : undefined
  console.log(`pair of ${sa.cipher}, ${offload}: ${failure ?? 'applied'}; ${plane.description}; told: ${note}`)
}

const octets = (length: number) => Uint8Array.from({ length }, (_, i) => (i * 7 + 1) & 0xff)
if (what === 'gcm') {
  await pair(1, 0x1000, { cipher: 'aes128gcm16', hash: undefined, cipherKey: octets(20), integrityKey: octets(0) })
  for (let i = 0; i < 5; i++) plane.sendControl(1, 1701, 1701, octets(40))
  await sleep(1000)
  console.log(readFileSync('/sys/kernel/debug/netdevsim/netdevsim1/ports/0/ipsec', 'utf8'))
} else {
  await pair(2, 0x2000, { cipher: 'aes128', hash: 'sha1', cipherKey: octets(16), integrityKey: octets(20) })
}
await plane.close()
