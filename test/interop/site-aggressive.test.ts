// Aggressive mode with a pre-shared key and strongSwan, both roles, by names instead of addresses; another key, and a site that doesn't allow it. strongSwan
// runs on the machine itself with its userland ESP, so there are no guests: with `npm run interop:exchanges` only.
import { describe, expect, test } from 'vitest'
import type { Gateway } from './lab/gateway.ts'
import { child, nativeSite, networks, theirs } from './lab/native-site.ts'
import { NativeSwan } from './lab/native-swan.ts'
import { addresses } from './lab/network.ts'
import { interop } from './lab/suite.ts'
import { psk, users } from './settings.ts'

const onDemand = process.env.GATEHOUSE_LAB_EXCHANGES === undefined ? describe.skip : interop

const key = 'twenty random characters'
const names = { ours: 'gw.example.org', theirs: 'branch@example.org' }
const slowly = { timeout: 600_000 }

onDemand('aggressive mode with strongSwan (npm run interop:exchanges)', () => {
  const held = nativeSite()

  const swanctl = (theirKey: string) => `
connections {
  site {
    version = 1
    aggressive = yes
    remote_addrs = ${addresses.gateway}
    proposals = aes256-sha256-modp2048
    local {
      auth = psk
      id = ${names.theirs}
    }
    remote {
      auth = psk
      id = ${names.ours}
    }
${child}
  }
}
secrets {
  ike-site {
    id-ours = ${names.ours}
    id-theirs = ${names.theirs}
    secret = "${theirKey}"
  }
}
`

  async function begin(start: string, exchange: string, theirKey = key): Promise<Gateway> {
    // It answers nobody in aggressive mode unless told so.
    const careless = 'i_dont_care_about_security_and_use_aggressive_mode_psk = yes'
    held.swan = await NativeSwan.start(held.lab, 'dialler', { 'swanctl.conf': swanctl(theirKey) }, [careless])
    const site = {
      name: 'branch',
      peer: addresses.dialler,
      localNetworks: networks.ours,
      remoteNetworks: networks.theirs,
      authentication: { preSharedKey: key },
      localIdentity: names.ours,
      ike: 'aes256-sha256-modp2048',
      esp: 'aes256-sha256',
    }
    held.gateway = await held.lab.gateway({ psk, users, sites: [{ ...site, start, exchange }] })
    return held.gateway
  }

  const initiate = (seconds = 60) => held.swan!.swanctl('--initiate', '--child', 'net', '--timeout', `${seconds}`)
  const ping = async (place: 'dialler' | 'inside', ...more: readonly string[]) => {
    const command = ['ping', '-n', '-c', '3', '-W', '20', ...more]
    return (await held.lab.network.exec(place, command, { timeoutMs: 90_000 })).stdout
  }
  const pingFromThem = () => ping('dialler', '-I', theirs, addresses.inside)
  const pingFromUs = () => ping('inside', theirs)

  test('strongSwan begins: both networks reach each other', slowly, async () => {
    const running = await begin('by-peer', 'aggressive')
    await initiate()
    expect(await pingFromThem()).toContain('3 received')
    expect(await pingFromUs()).toContain('3 received')
    expect(running.log).toContain(`identity ${names.theirs}`)
    expect(await held.swan!.swanctl('--list-sas')).toContain(`remote '${names.ours}'`)
    await held.swan!.stop()
    expect(held.swan!.log).toMatch(/generating AGGRESSIVE request/)
  })

  test('we begin, on the first packet, which is not lost', slowly, async () => {
    const running = await begin('on-traffic', 'aggressive')
    expect(await pingFromUs()).toContain('3 received')
    expect(await pingFromThem()).toContain('3 received')
    expect(running.log).toContain(`identity ${names.theirs}`)
    expect(await held.swan!.swanctl('--list-sas')).toContain(`remote '${names.ours}'`)
    await held.swan!.stop()
    expect(held.swan!.log).toMatch(/parsed AGGRESSIVE request/)
  })

  test('we begin, and it has another key: nothing passes, and the log says why', slowly, async () => {
    const running = await begin('on-traffic', 'aggressive', 'another key of theirs')
    expect(await pingFromUs()).toContain('0 received')
    await running.says(/192\.0\.2\.70:\d+ answers with a proof that does not fit our pre-shared key/, {
      timeoutMs: 90_000,
    })
    expect(await held.swan!.swanctl('--list-sas')).not.toContain('ESTABLISHED')
  })

  test('it begins with another key and finds our proof wrong: the log says why', slowly, async () => {
    const running = await begin('by-peer', 'aggressive', 'another key of theirs')
    await expect(initiate()).rejects.toThrow()
    const why = /the peer did not go on after our proof.*: the pre-shared key is another there/
    await running.says(why, { timeoutMs: 90_000 })
    expect(await pingFromThem()).toContain('0 received')
  })

  test('it begins, and the site speaks main mode: it is told nothing, and the log says why', slowly, async () => {
    const running = await begin('by-peer', 'main')
    await expect(initiate(5)).rejects.toThrow()
    await running.says(/the peer wants aggressive mode/)
    await held.swan!.stop()
    expect(held.swan!.log).toMatch(/generating AGGRESSIVE request/)
    expect(held.swan!.log).not.toMatch(/parsed AGGRESSIVE response/)
  })
})
