// The connection card: what a person types on each system to connect here.
import { networkInterfaces } from 'node:os'
import type { Configuration } from '../config/configuration.ts'

/** Addresses of this machine that a client could dial, best guess first: what is configured, else every one that isn't loopback. */
export function dialable({ publicAddress, listen, device }: Configuration): string[] {
  if (publicAddress) return [publicAddress]
  if (listen.length > 0) return [...listen]
  return Object.entries(networkInterfaces())
    .filter(([name]) => name !== device)
    .flatMap(([, addresses]) => addresses ?? [])
    .filter((address) => !address.internal && address.family === 'IPv4')
    .map((address) => address.address)
}

/** The card as text, 100 columns at most where the names allow it. */
export function card(configuration: Configuration, addresses: readonly string[]): string {
  const { remoteAccess, users, security } = configuration
  const server = addresses[0] ?? 'ADDRESS-OF-THIS-MACHINE'
  const key = remoteAccess.preSharedKey?.revealText() ?? 'none: see docs/certificates.md'
  const user = users[0]
  const name = user?.name ?? 'NAME'
  const password = user?.password?.revealText() ?? 'PASSWORD'
  const kinds = remoteAccess.authentication.map((kind) => powershellKinds[kind]).filter((kind) => kind !== undefined)
  return `
  Server          ${addresses.join('  ') || server}
  Type            L2TP/IPsec with a pre-shared key
  Pre-shared key  ${key}
  User            ${name}${users.length > 1 ? ` (and ${users.length - 1} more)` : ''}
  Password        ${user ? password : 'there is no user yet'}

  Windows   in PowerShell:
            Add-VpnConnection -Name Gatehouse -ServerAddress ${server} -TunnelType L2tp -L2tpPsk ${quoted(key)} \`
              -AuthenticationMethod ${kinds.join(',') || 'MSChapv2'} -EncryptionLevel Optional -Force
            then Settings, Network, VPN, Gatehouse: user ${name}. Error 809: UDP 500 and 4500 don't reach
            this machine. Error 789: the key. Error 691: user or password.
  macOS     System Settings, VPN, Add VPN Configuration, L2TP over IPsec: server ${server}, account ${name},
            user authentication password, machine authentication shared secret: the key above, no group name.
            For all traffic: Options, Send all traffic over VPN connection.
  iOS       Settings, General, VPN & Device Management, VPN, Add, Type L2TP: server ${server}, account ${name},
            password, secret: the key above, Send All Traffic on.
  Android   ${security === 'modern' ? 'up to 11: set "security: compatible" in the configuration first (it offers MODP1024 only). Then' : 'up to 11:'}
            Settings, Network, VPN, +, L2TP/IPSec PSK: server ${server}, IPSec pre-shared key, no identifier, user ${name}.
            12 and later have no L2TP any more.
  Linux     NetworkManager with network-manager-l2tp:
            nmcli connection add type vpn vpn-type l2tp con-name gatehouse vpn.data \\
              'gateway=${server},user=${name},ipsec-enabled=yes,machine-auth-type=psk,refuse-pap=yes' \\
              vpn.secrets ${quoted(`password=${password},ipsec-psk=${key}`)}
            or another Gatehouse: ./gatehouse connect --server ${server} --psk … --user ${name} --password … -- COMMAND
`
}

const powershellKinds: Partial<Record<string, string>> = { mschapv2: 'MSChapv2', chap: 'Chap', pap: 'Pap' }

function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}
