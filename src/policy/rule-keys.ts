// Which pre-shared keys the rules of the assigned policy bring, and for which peers: each where its rule's other end is.

import { showNetwork } from '../wire/network.ts'
import type { Secret } from '../wire/secret.ts'
import type { Policies, Rule, Side } from './policy.ts'

/** `peer` is an address or network text, or `any`. In the order of the rules, and of the methods in each. */
export function ruleKeysOf({ policies, assigned }: Policies): { readonly peer: string; readonly key: Secret }[] {
  const policy = policies.find(({ name }) => name === assigned)
  const ofRules = (policy?.rules ?? [])
    .filter(({ enabled }) => enabled)
    .flatMap((rule) => peersOf(rule).flatMap((peer) => keysOf(rule.authentication).map((key) => ({ peer, key }))))
  const ofResponse = keysOf(policy?.defaultResponse?.authentication ?? []).map((key) => ({ peer: 'any', key }))
  return [...ofRules, ...ofResponse]
}

function keysOf(authentication: Rule['authentication']): Secret[] {
  return authentication.flatMap((method) => (method.is === 'preSharedKey' ? [method.key] : []))
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
