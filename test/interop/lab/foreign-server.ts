// strongSwan, xl2tpd and pppd as a server in a guest: the lab's own proof, and a peer for our client side.
import type { Guest } from './guest.ts'

export type ForeignServer = {
  psk: string
  users: readonly { name: string; password: string }[]
  /** pppd's word: require-pap, require-chap, require-mschap-v2 … */
  require: string
  ike: string
  esp: string
}

/** The server's PPP side. */
export const foreignPool = {
  gateway: '10.98.0.1',
  first: '10.98.0.10',
  last: '10.98.0.20' /** The internet host answers DNS. */,
  dns: '198.51.100.7',
} as const

/** Makes the guest a server, from a clean slate: what an earlier client left there confuses it, above all behind a NAT. */
export async function serve(guest: Guest, { psk, users, require, ike, esp }: ForeignServer): Promise<void> {
  const swanctl = guest.put(
    'swanctl.conf',
    `
connections {
  lab {
    version = 1
    proposals = ${ike}
    local { auth = psk }
    remote { auth = psk }
    children {
      l2tp {
        mode = transport
        local_ts = dynamic[17/1701]
        remote_ts = dynamic[17]
        esp_proposals = ${esp}
      }
    }
  }
}
secrets {
  ike-lab { secret = "${psk}" }
}
`,
  )
  const options = guest.put(
    'options',
    [
      require,
      'auth',
      'name lab',
      'noccp',
      'noipv6',
      'mtu 1400',
      'mru 1400',
      `ms-dns ${foreignPool.dns}`,
      'debug',
      'logfile /run/ppp.log',
      '',
    ].join('\n'),
  )
  const xl2tpd = guest.put(
    'xl2tpd.conf',
    `
[global]
access control = no
port = 1701
[lns default]
ip range = ${foreignPool.first}-${foreignPool.last}
local ip = ${foreignPool.gateway}
assign ip = yes
length bit = yes
require authentication = yes
name = lab
ppp debug = yes
pppoptfile = ${options}
`,
  )
  const secrets = users.map(({ name, password }) => `"${name}" * "${password}" *\n`).join('')
  const path = guest.put('secrets', secrets)
  await guest.must(`
/lab/l2tp.sh kill; /lab/strongswan.sh kill
rm -f /etc/ppp/ip-up
cp ${path} /etc/ppp/chap-secrets && cp ${path} /etc/ppp/pap-secrets && chmod 600 /etc/ppp/*-secrets
sysctl -qw net.ipv4.ip_forward=1
/lab/strongswan.sh listen ${swanctl} && /lab/l2tp.sh listen ${xl2tpd}`)
}
