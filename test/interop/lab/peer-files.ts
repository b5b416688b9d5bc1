// The configuration files of foreign programs, written from what a test asks for.
import type { Dial } from './client.ts'

type Addressed = Dial & { server: string }

/** Our proposal strings are strongSwan's own, and swanctl's lists never grow by themselves: no «!» needed. */
export function swanctlConf({ server, ike, esp, psk, lifetimes, certificate, truncated }: Addressed): string {
  const times = lifetimes ?? { ikeSeconds: 14_400, espSeconds: 3_600 }
  return `
connections {
  lab {
    version = 1
    remote_addrs = ${server}
    proposals = ${ike}
    rekey_time = ${times.ikeSeconds}s
    over_time = ${Math.max(30, Math.round(times.ikeSeconds / 10))}s
    rand_time = 0
    dpd_delay = 30s
    ${certificate ? 'send_cert = always\n    local {\n      auth = pubkey\n      certs = own.pem\n    }' : 'local { auth = psk }'}
    remote { auth = ${certificate ? `pubkey\n      id = "${certificate.server}"\n   ` : 'psk'} }
    children {
      l2tp {
        mode = transport
        local_ts = dynamic[udp/1701]
        remote_ts = dynamic[udp/1701]
        esp_proposals = ${esp}
        ${truncated ? 'sha256_96 = yes' : ''}
        rekey_time = ${times.espSeconds}s
        life_time = ${times.espSeconds + Math.max(30, Math.round(times.espSeconds / 10))}s
        rand_time = 0
      }
    }
  }
}
${certificate ? '' : `secrets {\n  ike-lab { secret = "${psk}" }\n}`}
`
}

/** libreswan's names: groups by number, combined modes by their own spelling. */
export function libreProposal(proposal: string): string {
  const names: Readonly<Record<string, string>> = {
    ecp256: 'dh19',
    ecp384: 'dh20',
    ecp521: 'dh21',
    sha256: 'sha2_256',
    sha384: 'sha2_384',
    sha512: 'sha2_512',
    aes128gcm16: 'aes_gcm128-null',
    aes256gcm16: 'aes_gcm256-null',
  }
  return proposal
    .split('-')
    .map((word) => names[word] ?? word)
    .join('-')
}

export function whackConf(dial: Addressed & { local: string; gateway: string }): string {
  const times = dial.lifetimes ?? { ikeSeconds: 14_400, espSeconds: 3_600 }
  const [cipher, ...rest] = dial.esp.split('-')
  const group = rest.find((word) => /^(modp|ecp)/.test(word))
  const esp = [cipher, ...rest.filter((word) => word !== group)].join('-')
  return `
config setup
  ikev1-policy=accept
  virtual-private=%v4:10.0.0.0/8,%v4:192.168.0.0/16

conn l2tp
  ikev2=no
  ${dial.certificate ? `authby=rsasig\n  leftcert=own\n  leftid=%fromcert\n  leftsendcert=always\n  rightid="${dial.certificate.server}"` : 'authby=secret'}
  type=transport
  left=${dial.local}
  leftnexthop=${dial.gateway}
  leftprotoport=17/1701
  right=${dial.server}
  rightprotoport=17/1701
  ike=${libreProposal(dial.ike)}
  phase2alg=${libreProposal(esp)}${group === undefined ? '' : `;${libreProposal(group)}`}
  pfs=${group === undefined ? 'no' : 'yes'}
  sha2-truncbug=${dial.truncated ? 'yes' : 'no'}
  ikelifetime=${times.ikeSeconds}s
  salifetime=${times.espSeconds}s
  rekeymargin=${Math.max(5, Math.round(times.espSeconds / 10))}s
  rekeyfuzz=0%
  dpddelay=30
  dpdtimeout=120
  dpdaction=clear
  auto=ignore
`
}

export function xl2tpdClientConf(server: string, pppOptionsPath: string, retries = 5): string {
  return `
[global]
access control = no
port = 1701
max retries = ${retries}
[lac lab]
lns = ${server}
autodial = yes
redial = no
length bit = yes
ppp debug = yes
pppoptfile = ${pppOptionsPath}
`
}

const authOptions: Readonly<Record<string, string>> = {
  pap: 'refuse-pap',
  chap: 'refuse-chap',
  mschap: 'refuse-mschap',
  mschapv2: 'refuse-mschap-v2',
}

/** pppd accepts the one authentication that the test wants, and nothing else. */
export function pppOptions({ auth, user, password, ccp, patience }: Dial): string {
  const refused = Object.keys(authOptions).filter((kind) => kind !== auth)
  return [
    ...refused.map((kind) => authOptions[kind]),
    'refuse-eap',
    'noauth',
    'ipcp-accept-local',
    'ipcp-accept-remote',
    ...(ccp ? [] : ['noccp']),
    'mtu 1400',
    'mru 1400',
    'nodefaultroute',
    'usepeerdns',
    'noipv6',
    'debug',
    'logfile /run/ppp.log',
    'lcp-echo-interval 10',
    `lcp-echo-failure ${patience?.echoes ?? 6}`,
    `user "${user}"`,
    `password "${password}"`,
    '',
  ].join('\n')
}
