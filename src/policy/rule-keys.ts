// With what the rules of the assigned policy have peers prove themselves, and which peers: each where its rule's other end is. IKE knows in phase 1 nothing but the peer's
// address, so what several rules say of one peer is put together, in the order in which it is written.
import { showNetwork } from '../wire/network.ts'
import type { Secret } from '../wire/secret.ts'
import type { AuthenticationMethod, Policies, Rule, Side } from './policy.ts'

/** `peer` is an address or network text, or `any`. */
export type RuleAuthentication = { readonly peer: string; readonly methods: readonly AuthenticationMethod[] }

/** By peer, in the order of the rules, and of the methods in each. */
export function ruleAuthenticationOf({ policies, assigned }: Policies): RuleAuthentication[] {
  const policy = policies.find(({ name }) => name === assigned)
  const all = new Map<string, AuthenticationMethod[]>()
  const add = (peer: string, methods: readonly AuthenticationMethod[]) => {
    if (methods.length > 0) all.set(peer, [...(all.get(peer) ?? []), ...methods])
  }
  for (const rule of policy?.rules ?? [])
    if (rule.enabled) for (const peer of peersOf(rule)) add(peer, rule.authentication)
  add('any', policy?.defaultResponse?.authentication ?? [])
  return [...all].map(([peer, methods]) => ({ peer, methods }))
}

export function keysOf({ peer, methods }: RuleAuthentication): { readonly peer: string; readonly key: Secret }[] {
  return methods.flatMap((method) => (method.is === 'preSharedKey' ? [{ peer, key: method.key }] : []))
}

/** The kinds of methods, each where it stands first. */
export function orderOf({ methods }: RuleAuthentication): AuthenticationMethod['is'][] {
  return [...new Set(methods.map((method) => method.is))]
}

/** Subjects of the authorities whose certificates are taken; `any`: each that is trusted; undefined: no certificates. */
export function authoritiesOf({ methods }: RuleAuthentication): readonly string[] | 'any' | undefined {
  const named = methods.flatMap((method) => (method.is === 'certificate' ? [method.authority] : []))
  if (named.length === 0) return undefined
  return named.some((authority) => authority === undefined) ? 'any' : [...new Set(named.map(String))]
}

/** A tunnel's end, or whoever a filter has that isn't this machine. */
function peersOf({ tunnel, filterList }: Rule): string[] {
  if (tunnel !== undefined) return [tunnel]
  const sides = filterList.filters.map(({ source, destination }) => (destination === 'me' ? source : destination))
  return [...new Set(sides.map(textOf))]
}

function textOf(side: Side): string {
  if (typeof side === 'string' || side.prefix === 0) return 'any'
  return side.prefix === 32 ? side.address : showNetwork(side)
}
