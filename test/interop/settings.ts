// What the interop files have in common: the key, the users, and a gateway that takes every client of the lists.
import type { Auth, Dial } from './lab/client.ts'
import type { GatewaySettings } from './lab/gateway.ts'
import { gatewayIn } from './lab/gateway-host.ts'

export const psk = 'correct horse battery staple'

export const users = ['alice', 'bob', 'carol', 'dave'].map((name) => ({ name, password: `${name}'s wonder land` }))

/** Old proposals and the plain-text kinds of authentication are allowed here, because the lists demand them. */
export const generous: GatewaySettings = {
  psk,
  users,
  security: 'compatible',
  authentication: ['mschapv2', 'chap', 'pap'],
}

export function dial(user: string, more: Partial<Dial> = {}): Dial {
  return {
    ike: 'aes256-sha256-modp2048',
    esp: 'aes256-sha256',
    auth: 'mschapv2' as Auth,
    user,
    password: `${user}'s wonder land`,
    psk,
    ...more,
  }
}

/** The addresses that the gateway has and gives by these settings. */
export const inner = { gateway: '10.99.0.1', pool: /^10\.99\.0\.(1\d|[2-9]\d|1\d\d|2[0-4]\d|250)$/ } as const

/** What each transfer moves: 100 is what is promised; fewer for a hurried look. */
export const megabytes = Number(process.env.GATEHOUSE_LAB_MEGABYTES ?? 100)
/** A selection of logins: every ESP proposal, every kind of password, both stacks, with NAT and without. */
export const fewLogins = process.env.GATEHOUSE_LAB_LOGINS === 'few'

/** A steady load, in Mbit/s each way: little where the gateway is a guest too, since what is measured is what renewing costs, not the machine. */
export const steadyMbit = gatewayIn === 'guest' ? 5 : 20

/** A test's time: three times as long where the gateway is a guest too, and shares the machine's cores with its clients. */
export function slowly(timeout: number): { timeout: number } {
  return { timeout: gatewayIn === 'guest' ? timeout * 3 : timeout }
}
