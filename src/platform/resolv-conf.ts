// The machine's own resolvers: the `nameserver` lines of /etc/resolv.conf (resolv.conf(5)), read again when the file changes.
import { readFileSync, statSync } from 'node:fs'
import { isIP } from 'node:net'

/** resolv.conf(5), MAXNS is 3; more do no harm here. */
const mostResolvers = 8
/** A changed file is noticed within this many milliseconds. */
const staleMs = 1000

/** Addresses in a resolv.conf's text; without any, the machine's own server, as resolv.conf(5) says. */
export function resolversIn(text: string): readonly string[] {
  const found = text.split('\n').flatMap((line) => {
    const address = /^\s*nameserver\s+(\S+)/.exec(line)?.[1]
    return address !== undefined && isIP(address) !== 0 ? [address] : []
  })
  return found.length > 0 ? found.slice(0, mostResolvers) : ['127.0.0.1']
}

/** A function that gives the addresses as they are now. A file that is gone for a moment (they are often replaced) leaves what was known. */
export function resolversOf(file: string, now: () => number = () => performance.now()): () => readonly string[] {
  let known: readonly string[] = ['127.0.0.1']
  let seen: string | undefined
  let looked = Number.NEGATIVE_INFINITY
  return () => {
    if (now() - looked < staleMs) return known
    looked = now()
    try {
      const { mtimeNs, ino, size } = statSync(file, { bigint: true })
      const sign = `${mtimeNs} ${ino} ${size}`
      if (sign !== seen) known = resolversIn(readFileSync(file, 'utf8'))
      seen = sign
    } catch {
      seen = undefined
    }
    return known
  }
}
