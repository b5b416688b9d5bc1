// What the interop files have in common: the key, the users, and a gateway that takes every client of the lists.
import type { Auth, Dial } from './lab/client.ts'
import type { GatewaySettings } from './lab/gateway.ts'

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
