// SoftEther's server in a namespace, as `bench against softether` needs it: one user, L2TP/IPsec, and a TAP device on which TCP ends, as it does on our
// gateway's TUN. Its folders are fixed (/var/lib/softether and others): it gets empty ones of its own, in its mount namespace.
import { spawnSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ScratchNamespace } from '../scratch-namespace.ts'
import type { Street } from './street.ts'

const server = '/usr/libexec/softether/vpnserver/vpnserver'
const port = 5555
/** On its TAP: what clients send to. */
export const softEtherInside = '10.97.0.1'
/** Its PPP peer is another address. */
export const softEtherNetwork = '10.97.0.0/24'
const tap = 'bench'

/** ListenIP must be set, or the server names itself 0.0.0.0 in its identity payload. */
const configuration = (address: string) => `# Software Configuration File
declare root
{
	declare ListenerList
	{
		declare Listener0
		{
			bool Enabled true
			uint Port ${port}
		}
	}
	declare DDnsClient
	{
		bool Disabled true
	}
	declare ServerConfiguration
	{
		string ListenIP ${address}
		bool DisableNatTraversal true
	}
}
`

const wrapper = `
for dir in run var/lib var/log; do mount -t tmpfs tmpfs /$dir && mkdir /$dir/softether || exit 1; done
printf '%s' "$CONFIGURATION" >/var/lib/softether/vpn_server.config
echo ready
exec ${server} execsvc
`

/** Throws an Error that says what to install. */
export function needSoftEther(): void {
  if (!existsSync(server) || spawnSync('vpncmd', ['/?'], { stdio: 'ignore' }).error)
    throw new Error('SoftEther is not here: apt-get install softether-vpnserver softether-vpncmd')
}

/** Its version, as it says it. */
export async function startSoftEther(street: Street, namespace: ScratchNamespace, address: string): Promise<string> {
  const { user, psk, password } = street.secrets
  // It forks a server of its own that outlives it: with a namespace of processes nothing does.
  const line = namespace.enter(['unshare', '--mount', '--pid', '--fork', '--kill-child', 'sh', '-c', wrapper])
  await street.hold('SoftEther', line, { CONFIGURATION: configuration(address) }, 'SIGKILL')
  const commands = join(street.folder, 'softether')
  const dhcp = '/START:10.97.0.10 /END:10.97.0.20 /MASK:255.255.255.0 /EXPIRE:7200'
  writeFileSync(
    commands,
    [
      'HubCreate BENCH /PASSWORD:none',
      `BridgeCreate BENCH /DEVICE:${tap} /TAP:yes`,
      'Hub BENCH',
      'SecureNatHostSet /MAC:5E-00-00-00-00-01 /IP:10.97.0.254 /MASK:255.255.255.0',
      `DhcpSet ${dhcp} /GW:${softEtherInside} /DNS:${softEtherInside} /DNS2:none /DOMAIN:none /LOG:no`,
      // Its DHCP server alone: its NAT would stand between the client and the TAP.
      'SecureNatEnable',
      'NatDisable',
      `UserCreate ${user} /GROUP:none /REALNAME:none /NOTE:none`,
      `UserPasswordSet ${user} /PASSWORD:${password}`,
      `IPsecEnable /L2TP:yes /L2TPRAW:no /ETHERIP:no /PSK:${psk} /DEFAULTHUB:BENCH`,
      '',
    ].join('\n'),
    { mode: 0o600 },
  )
  const admin = ['vpncmd', `${address}:${port}`, '/SERVER']
  const about = await answered(
    () => namespace.run(admin[0]!, [...admin.slice(1), '/CMD:About']),
    'SoftEther does not answer',
  )
  namespace.run(admin[0]!, [...admin.slice(1), `/IN:${commands}`])
  const listens = () => {
    if (!namespace.run('ss', ['-lnu']).includes(':500 ')) throw new Error('nothing listens on UDP 500')
    return namespace.run('ip', ['address', 'add', `${softEtherInside}/24`, 'dev', `tap_${tap}`])
  }
  await answered(listens, 'SoftEther does not listen')
  return /Version [\d.]+ Build \d+/.exec(about)?.[0] ?? 'an unknown version'
}

async function answered(ask: () => string, complaint: string): Promise<string> {
  for (let tries = 0; ; tries++) {
    try {
      return ask()
    } catch (error) {
      if (tries > 100) throw new Error(`${complaint}: ${(error as Error).message}`)
      await new Promise((resolve) => setTimeout(resolve, 300))
    }
  }
}
