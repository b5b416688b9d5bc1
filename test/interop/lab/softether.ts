// SoftEther's server in a namespace, configured by its own vpncmd: a peer for our client side.
import { spawn } from 'node:child_process'
import { mkdirSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Lease } from './lease.ts'
import { addresses, type Network } from './network.ts'
import { until } from './run.ts'

export type SoftEther = { psk: string; user: string; password: string }

/** What its SecureNAT gives to clients. */
export const softEtherPool = { gateway: '10.97.0.1', prefix: '10.97.0.' } as const

/** ListenIP must be set, or the server names itself 0.0.0.0 in its identity payload. */
const configuration = `# Software Configuration File
declare root
{
	declare ListenerList
	{
		declare Listener0
		{
			bool Enabled true
			uint Port 5555
		}
	}
	declare DDnsClient
	{
		bool Disabled true
	}
	declare ServerConfiguration
	{
		string ListenIP ${addresses.softether}
		bool DisableNatTraversal true
	}
}
`

/** Its folders are fixed (/var/lib/softether and others): it gets empty ones of its own, in its mount namespace. */
const wrapper = `
for dir in run var/lib var/log; do mount -t tmpfs tmpfs /$dir && mkdir /$dir/softether || exit 1; done
printf '%s' "$CONFIGURATION" >/var/lib/softether/vpn_server.config
exec /usr/libexec/softether/vpnserver/vpnserver execsvc
`

export async function startSoftEther(
  lease: Lease,
  network: Network,
  { psk, user, password }: SoftEther,
): Promise<void> {
  const dir = join(lease.dir, 'softether')
  mkdirSync(dir, { recursive: true })
  const log = openSync(join(dir, 'log'), 'w')
  spawn('ip', ['netns', 'exec', network.ns('softether'), 'sh', '-c', wrapper], {
    env: { PATH: process.env.PATH, CONFIGURATION: configuration },
    stdio: ['ignore', log, log],
  })
  const commands = join(dir, 'commands')
  writeFileSync(
    commands,
    [
      'HubCreate LAB /PASSWORD:none',
      'Hub LAB',
      `SecureNatHostSet /MAC:5E-00-00-00-00-01 /IP:${softEtherPool.gateway} /MASK:255.255.255.0`,
      `DhcpSet /START:10.97.0.10 /END:10.97.0.20 /MASK:255.255.255.0 /EXPIRE:7200 /GW:${softEtherPool.gateway} /DNS:${softEtherPool.gateway} /DNS2:none /DOMAIN:none /LOG:no`,
      'SecureNatEnable',
      `UserCreate ${user} /GROUP:none /REALNAME:none /NOTE:none`,
      `UserPasswordSet ${user} /PASSWORD:${password}`,
      `IPsecEnable /L2TP:yes /L2TPRAW:no /ETHERIP:no /PSK:${psk} /DEFAULTHUB:LAB`,
      '',
    ].join('\n'),
  )
  const admin = ['vpncmd', `${addresses.softether}:5555`, '/SERVER']
  await until(
    'SoftEther to answer',
    async () => (await network.exec('softether', [...admin, '/CMD:About'])).code === 0,
    {
      timeoutMs: 20_000,
      everyMs: 300,
    },
  )
  await network.mustExec('softether', [...admin, `/IN:${commands}`])
  await until('SoftEther to listen on UDP 500', async () =>
    (await network.mustExec('softether', ['ss', '-lnu'])).includes(`${addresses.softether}:500`),
  )
}
