// PPPoE by pppd and its kernel plugin: one file of options, which holds the password and so is root's alone. No chap-secrets: that file is shared
// with whatever else uses pppd, and the options say the same.
import type { WanEntry } from '../config/configuration.ts'
import { made, type SystemFile } from './file.ts'
import { pppDevice } from './networkd.ts'

/** What PPPoE leaves of Ethernet's 1,500 octets: 6 are its own header, 2 PPP's protocol (RFC 2516 §7). */
export const pppoeMtu = 1492

export const peerFile = '/etc/ppp/peers/gatehouse-wan'

export function pppoeFiles(wan: WanEntry | undefined): SystemFile[] {
  return [made('pppoe', peerFile, wan?.is === 'pppoe' ? peer(wan) : undefined, 0o600)]
}

function peer(wan: WanEntry & { is: 'pppoe' }): string {
  const lines = [
    'plugin rp-pppoe.so',
    ...(wan.service === undefined ? [] : [`rp_pppoe_service ${quoted(wan.service)}`]),
    `nic-${wan.port}`,
    `ifname ${pppDevice}`,
    `user ${quoted(wan.user)}`,
    `password ${quoted(wan.password.revealText())}`,
    // The provider doesn't prove who it is; the line is its own.
    'noauth',
    'hide-password',
    'noipdefault',
    'defaultroute',
    `mtu ${pppoeMtu}`,
    `mru ${pppoeMtu}`,
    ...(wan.dns.length > 0 ? [] : ['usepeerdns']),
    'ip-up-script /usr/lib/gatehouse/ppp-up',
    'ip-down-script /usr/lib/gatehouse/ppp-down',
    // A dead line is noticed within a minute and dialled again for ever, 5 s apart.
    'lcp-echo-interval 20',
    'lcp-echo-failure 3',
    'persist',
    'maxfail 0',
    'holdoff 5',
  ]
  return `${lines.join('\n')}\n`
}

/** A word of pppd's options: in double quotes a backslash and a quote are escaped by a backslash (pppd(8), "Options files"). */
function quoted(text: string): string {
  return `"${text.replace(/[\\"]/g, '\\$&')}"`
}
