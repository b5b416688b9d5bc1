// Kinds of arguments: what is right, and what completion offers.
import { addressOctets, ipv4Octets } from '../wire/address.ts'
import { issuedNames } from './certificates.ts'
import type { ArgumentType } from './grammar.ts'
import type { Shell } from './shell.ts'

type Type = ArgumentType<Shell>

export function number(name: string, least: number, most: number): Type {
  return {
    name,
    fault: (text) =>
      /^\d{1,9}$/.test(text) && Number(text) >= least && Number(text) <= most
        ? undefined
        : `a whole number from ${least} to ${most} is right`,
  }
}

export const address: Type = {
  name: 'address',
  fault: (text) => (addressOctets(text) ? undefined : 'an address such as 192.0.2.1 or 2001:db8::1 is right'),
}

/** A name or an address. Never begins with a hyphen: programs would take it for an option. */
export const host: Type = {
  name: 'host',
  fault: (text) =>
    addressOctets(text) || (/^(?=.{1,253}$)[a-z0-9_]([a-z0-9_.-]*[a-z0-9])?$/i.test(text) && !/^[\d.]+$/.test(text))
      ? undefined
      : 'an address or a name such as www.example.org is right',
  offer: async (shell) => (await addresses(shell)).map((text) => ({ text, help: 'a session' })),
}

export const networkOrDefault: Type = {
  name: 'network',
  fault: (text) => {
    const [, base, bits] = /^([\d.]+)\/(\d{1,2})$/.exec(text) ?? []
    return ipv4Octets(base ?? '') && Number(bits) <= 32 ? undefined : 'a network such as 10.1.0.0/16 is right'
  },
}

export const interfaceName: Type = {
  name: 'interface',
  fault: (text) => (/^[a-z][\w.@-]{0,14}$/i.test(text) ? undefined : 'an interface such as wan0 is right'),
  offer: (shell) => shell.device.interfaces().map((text) => ({ text, help: 'an interface' })),
}

/** Users and inner addresses of sessions that are up. */
export const sessionTarget: Type = {
  name: 'user or address',
  fault: (text) => (/^[^\s\p{C}]{1,128}$/u.test(text) ? undefined : 'a user or an inner address is right'),
  async offer(shell) {
    try {
      const { sessions } = await shell.device.status()
      const users = [...new Set(sessions.map(({ user }) => user))]
      return [
        ...users.map((text) => ({ text, help: 'every session of the user' })),
        ...sessions.map(({ address: text, user }) => ({ text, help: `the session of ${user}` })),
      ]
    } catch {
      return []
    }
  },
}

const nameOrSerial = /^[\w@][\w@.-]{0,63}$/

/** What the gateway's own authority issued and didn't revoke; also a serial number. */
export const issuedName: Type = {
  name: 'name',
  fault: (text) => (nameOrSerial.test(text) ? undefined : 'a name or a serial number of "certificate list" is right'),
  offer: ({ device }) =>
    issuedNames(device)
      .filter(({ kind, revoked }) => kind === 'client' && !revoked)
      .map(({ name }) => ({ text: name, help: 'a client' })),
}

/** Any word; `right` says what it is. */
export function text(name: string, pattern: RegExp, right: string): Type {
  return { name, fault: (given) => (pattern.test(given) ? undefined : `${right} is right`) }
}

async function addresses(shell: Shell): Promise<readonly string[]> {
  try {
    return (await shell.device.status()).sessions.map((session) => session.address)
  } catch {
    return []
  }
}
