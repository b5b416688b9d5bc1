// The clients of `bench logins` against a whole gateway, with nothing between the two but a queue.
import { expect, test } from 'vitest'
import { loopedPaths } from '../../../test/fakes/looped-paths.ts'
import { FakeNetwork } from '../../../test/fakes/platform.ts'
import { parseConfiguration } from '../../config/parse.ts'
import { runWork } from '../../crypto/dh.ts'
import { createGateway } from '../../gateway/gateway.ts'
import { systemClock, systemRandom, systemTimers } from '../../platform/linux/system-clock.ts'
import { Fleet } from './fleet.ts'

const outcome = parseConfiguration(
  `
remoteAccess: { preSharedKey: correct horse, gatewayAddress: 10.96.0.1, addressPool: 10.96.1.0-10.96.1.255 }
users: [{ name: u0, password: battery staple }, { name: u1, password: battery staple }]
`,
  () => '',
)
if (outcome.is === 'faulty') throw new Error('the configuration is faulty')
const { configuration } = outcome

test.each(['ecp256', 'modp2048'])(
  '%s: every client comes up behind its own NAT, with its own address',
  { timeout: 120_000 },
  async (group) => {
    const [gatewaySide, clientSide] = loopedPaths()
    const gateway = await createGateway(
      {
        clock: systemClock,
        timers: systemTimers,
        random: systemRandom,
        log: { write: () => {} },
        work: runWork,
        openFastPath: async () => gatewaySide,
        network: new FakeNetwork(),
        forwardDns: undefined,
      },
      configuration,
    )
    const fleet = new Fleet(
      {
        gateway: '192.0.2.1',
        firstAddress: '198.18.0.1',
        preSharedKey: 'correct horse',
        users: 2,
        password: 'battery staple',
        ike: `aes256-sha256-${group}`,
        esp: 'aes128-sha1',
        deadPeerSeconds: 60,
      },
      clientSide,
    )
    const { logins, lost } = await fleet.logIn(8, 4, 100)
    const { pool, sessions } = gateway.status()
    expect({ logins: logins.length, lost, up: fleet.up, pool, dropped: fleet.dropped }).toEqual({
      logins: 8,
      lost: [],
      up: 8,
      pool: { size: 256, used: 8 },
      dropped: [],
    })
    expect(new Set(sessions.map(({ peer }) => peer)).size).toBe(8)
    expect(sessions.map(({ user, natted, ike, esp }) => ({ user, natted, ike, esp }))).toEqual(
      sessions.map((_, i) => ({
        user: sessions[i]!.user,
        natted: true,
        ike: `aes256-sha256-${group}`,
        esp: 'aes128-sha1',
      })),
    )
    await fleet.close(true)
    expect(gateway.status().sessions).toEqual([])
    await gateway.stop()
  },
)
