// A site between our gateway and a strongSwan on the machine itself (native-swan.ts): what its test files have in common.
import { afterAll, afterEach, beforeAll } from 'vitest'
import type { Gateway } from './gateway.ts'
import { type Lab, openLab } from './lab.ts'
import type { NativeSwan } from './native-swan.ts'

export const networks = { ours: '10.1.0.0/24', theirs: '10.2.0.0/16' }
/** strongSwan's own address in its network. */
export const theirs = '10.2.0.1'

/** Of swanctl.conf's connection: the tunnel, called `net`. */
export const child = `    children {
      net {
        mode = tunnel
        local_ts = ${networks.theirs}
        remote_ts = ${networks.ours}
        esp_proposals = aes256-sha256
      }
    }`

export type NativeSite = { lab: Lab; gateway: Gateway | undefined; swan: NativeSwan | undefined }

/**
 * For the tests of a group: the lab is there from the first to the last, gateway and strongSwan, which each test starts, end with it. charon writes its log when its
 * buffer is full, and all when it ends: `stop` before it is read.
 */
export function nativeSite(): NativeSite {
  const held = { gateway: undefined, swan: undefined } as unknown as NativeSite
  beforeAll(async () => {
    held.lab = await openLab('namespace')
    await held.lab.network.mustExec('dialler', ['ip', 'address', 'add', `${theirs}/16`, 'dev', 'lo'])
  }, 600_000)
  afterEach(async () => {
    await held.swan?.stop()
    held.swan = undefined
    await held.gateway?.stop(60_000)
    held.gateway = undefined
  })
  afterAll(() => held.lab?.close())
  return held
}
