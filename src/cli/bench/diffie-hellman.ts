// The limit of logins: Diffie-Hellman alone, as fast as this core can. Run as a process of its own, pinned by who starts it: prints `{ perSecond }` of operations,
// by processor time, so that other work on the core does not count.
import { diffieHellman, generateKeyPairSync } from 'node:crypto'
import process from 'node:process'

const [group = 'ecp256', milliseconds = '1000'] = process.argv.slice(2)
const pair =
  group === 'ecp256'
    ? () => generateKeyPairSync('ec', { namedCurve: 'P-256' })
    : // @types/node leaves this form out.
      () =>
        (generateKeyPairSync as unknown as (type: 'dh', options: object) => ReturnType<typeof generateKeyPairSync>)(
          'dh',
          { group: 'modp14' },
        )
const [ours, theirs] = [pair(), pair()]
const operation = () => diffieHellman({ privateKey: ours.privateKey, publicKey: theirs.publicKey })

for (let i = 0; i < 50; i++) operation()
const before = process.cpuUsage()
let operations = 0
let micro = 0
while (micro < Number(milliseconds) * 1000) {
  for (let i = 0; i < 20; i++) operation()
  operations += 20
  const { user, system } = process.cpuUsage(before)
  micro = user + system
}
process.stdout.write(`${JSON.stringify({ perSecond: operations / (micro / 1e6) })}\n`)
