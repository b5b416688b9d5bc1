// One sentence for each refused offer: what the peer offered, which setting kept out the nearest, what to change.
import type { EspProposal } from '../algorithms/algorithms.ts'
import { proposalsFor } from '../algorithms/levels.ts'
import { showEspProposal, showIkeProposal } from '../algorithms/proposals.ts'
import type { IkePolicy } from './contract.ts'
import type { EspChoiceContext, EspChoicePolicy, EspFault, IkeChoicePolicy, Refused } from './proposals.ts'
import { type EspTransform, type IkeTransform, showAuthentication } from './transforms.ts'
import { notifyType } from './wire/numbers.ts'

type Disabled = IkePolicy['disabled']

export function explainIke(
  policy: IkeChoicePolicy,
  offered: readonly IkeTransform[],
  methods: readonly number[],
): Refused {
  if (offered.length === 0) return proposalRefusal('the peer offers no phase 1 proposal at all')
  const usable = offered.filter(
    ({ authentication }) => authentication !== undefined && methods.includes(authentication),
  )
  if (usable.length === 0) {
    const theirs = list(offered.map(({ authentication }) => showAuthentication(authentication)))
    const ours = list(methods.map(showAuthentication))
    return {
      is: 'refused',
      cause: 'authentication method',
      why: `the peer offers ${theirs} as authentication method and this gateway accepts ${ours}: choose that on the client`,
      notify: notifyType['NO-PROPOSAL-CHOSEN'],
    }
  }
  const ours = policy.ike.map(showIkeProposal)
  const known = usable.filter(({ proposal }) => proposal !== undefined)
  const nearest = nearestOf(
    known.map(({ proposal, shown }) => ({ shown, parts: [proposal!.cipher, proposal!.hash, proposal!.group] })),
    isLevelList(ours, 'ike') ? policy.disabled : [],
  )
  const list1 = list(usable.map(({ shown }) => shown))
  return proposalRefusal(`no phase 1 proposal in common: the peer offers ${list1}; ${advice(nearest, 'ike', ours)}`)
}

type FaultOf = (
  policy: EspChoicePolicy,
  offered: EspTransform,
  wanted: EspProposal,
  context: EspChoiceContext,
) => EspFault | undefined

export function explainEsp(
  policy: EspChoicePolicy,
  offered: readonly EspTransform[],
  context: EspChoiceContext,
  faultOf: FaultOf,
): Refused {
  if (offered.length === 0)
    return proposalRefusal('the peer offers no ESP proposal that stands alone (AH and IPCOMP are not spoken here)')
  const faults = offered.flatMap((one) =>
    policy.esp.map((wanted) => ({ one, wanted, fault: faultOf(policy, one, wanted, context) })),
  )
  const wrongMode = faults.find(({ fault }) => fault === 'mode')
  if (wrongMode) return modeRefusal(wrongMode.one, context)
  const wrongKe = faults.find(({ fault }) => fault === 'key exchange')
  if (wrongKe) return keyExchangeRefusal(wrongKe.one)
  const theirs = list(offered.map(({ shown }) => shown))
  const wrongGroup = faults.find(({ fault }) => fault === 'group')
  if (wrongGroup) return groupRefusal(policy, wrongGroup.one, theirs)
  const ours = policy.esp.map(showEspProposal)
  const nearest = nearestOf(
    offered
      .filter(({ algorithms }) => algorithms !== undefined)
      .map(({ algorithms, shown }) => ({
        shown,
        parts: algorithms!.hash ? [algorithms!.cipher, algorithms!.hash] : [algorithms!.cipher],
      })),
    isLevelList(ours, 'esp') ? policy.disabled : [],
  )
  return proposalRefusal(`no ESP proposal in common: the peer offers ${theirs}; ${advice(nearest, 'esp', ours)}`)
}

function modeRefusal(
  { shown, encapsulation, encapsulationShown }: EspTransform,
  { udp, mode = 'transport' }: EspChoiceContext,
): Refused {
  const because =
    encapsulation?.mode !== mode
      ? mode === 'tunnel'
        ? 'the site is configured for tunnel mode: set the peer to it'
        : 'L2TP runs in transport mode: set the client to L2TP/IPsec; for a gateway in tunnel mode, add a site with its address'
      : udp === 'must'
        ? 'a NAT stands between, which only UDP encapsulation passes: switch NAT traversal on at the client'
        : 'NAT traversal was not agreed on in phase 1: switch it on at the client'
  return {
    is: 'refused',
    cause: 'mode',
    why: `the peer offers ${shown} in ${encapsulationShown} mode only; ${because}`,
    notify: notifyType['NO-PROPOSAL-CHOSEN'],
  }
}

function keyExchangeRefusal({ shown, group }: EspTransform): Refused {
  const what =
    group === undefined
      ? `the peer offers the proposal ${shown} without a PFS group and sends a KE payload all the same`
      : `the peer offers the proposal ${shown} and sends no KE payload of that group's length`
  return {
    is: 'refused',
    cause: 'key exchange',
    why: `${what}; RFC 2409 §5.5 wants both or neither: set PFS alike on both sides`,
    notify: notifyType['NO-PROPOSAL-CHOSEN'],
  }
}

function groupRefusal(policy: EspChoicePolicy, { group, shown }: EspTransform, theirs: string): Refused {
  if (group === undefined)
    return proposalRefusal(
      `the peer’s proposal ${shown} has no PFS and this gateway requires it: set requirePfs to false, or PFS with ${list(policy.pfsGroups)} on the client`,
    )
  const off = policy.disabled.find(({ proposalPart }) => proposalPart === group)
  const change = off ? `“${off.setting}” would allow it` : `choose ${list(policy.pfsGroups)} on the client`
  return proposalRefusal(
    `no ESP proposal in common: the peer offers ${theirs}, and its PFS group is not accepted here; ${change}`,
  )
}

// Whether a list is what a level gives: a list of one's own is not widened by another level. Known lists are written once, since anybody can cause
// a refusal.
function isLevelList(ours: readonly string[], key: 'ike' | 'esp'): boolean {
  return levelLists[key].has(ours.join())
}

const levels = (['modern', 'compatible', 'legacy'] as const).map(proposalsFor)
const levelLists = {
  ike: new Set(levels.map(({ ike }) => ike.map(showIkeProposal).join())),
  esp: new Set(levels.map(({ esp }) => esp.map(showEspProposal).join())),
}

type Nearest = {
  readonly shown: string
  readonly off: Disabled
  readonly settings: readonly string[]
}

// The offer that the fewest and mildest settings would let in. `security: legacy` includes `compatible`.
function nearestOf(
  offers: readonly { readonly shown: string; readonly parts: readonly string[] }[],
  disabled: Disabled,
): Nearest | undefined {
  const candidates = offers.map(({ shown, parts }): Nearest => {
    const off = disabled.filter(({ proposalPart }) => parts.includes(proposalPart))
    const all = [...new Set(off.map(({ setting }) => setting))]
    const settings = all.includes('security: legacy') ? all.filter((one) => one !== 'security: compatible') : all
    return { shown, off, settings }
  })
  const cost = ({ off, settings }: Nearest) =>
    (settings.includes('security: legacy') ? 1000 : 0) + settings.length * 100 + off.length
  return candidates.toSorted((a, b) => cost(a) - cost(b))[0]
}

function advice(nearest: Nearest | undefined, key: 'ike' | 'esp', ours: readonly string[]): string {
  if (!nearest) return `none of them is known here; this gateway accepts ${list(ours)}`
  if (nearest.off.length === 0)
    return `${nearest.shown} is not in this gateway’s list: add it under “${key}”, or choose ${list(ours)} on the client`
  const parts = list(nearest.off.map(({ proposalPart }) => proposalPart))
  const verb = nearest.off.length === 1 ? 'is' : 'are'
  const settings = nearest.settings.map((setting) => `“${setting}”`).join(' and ')
  return `the nearest, ${nearest.shown}, is refused because ${parts} ${verb} switched off; ${settings} would allow it`
}

function proposalRefusal(why: string): Refused {
  return { is: 'refused', cause: 'proposal', why, notify: notifyType['NO-PROPOSAL-CHOSEN'] }
}

// Ours: a sentence names so many at most.
const named = 4

function list(items: readonly string[]): string {
  const unique = [...new Set(items)]
  const shown = unique.slice(0, named)
  const more = unique.length - shown.length
  if (more > 0) return `${shown.join(', ')} and ${more} more`
  return shown.length < 2 ? (shown[0] ?? 'nothing') : `${shown.slice(0, -1).join(', ')} and ${shown.at(-1)}`
}
