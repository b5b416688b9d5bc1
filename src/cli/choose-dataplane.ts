// Which data plane carries the packets: what the configuration says, and for `auto` what this kernel showed when it was tried.
import type { EspProposal } from '../algorithms/algorithms.ts'
import { showEspProposal } from '../algorithms/proposals.ts'
import type { NativeKernelProbe } from '../platform/addon.ts'

export type DataplaneWish = {
  readonly dataplane: 'auto' | 'userland' | 'kernel'
  /** What clients may negotiate: the plane must carry all of it. */
  readonly esp: readonly EspProposal[]
  /** For the kernel plane. */
  readonly offload: 'auto' | 'off' | 'crypto' | 'packet'
}

/** `why` is said on the line `ready`, in the log and in `status`. */
export type DataplaneChoice = { readonly plane: 'userland' | 'kernel'; readonly why: string }

/** Throws an Error that says what is missing and what to do, where the kernel plane is demanded and can't work. */
export function chooseDataplane(wish: DataplaneWish, probe: () => NativeKernelProbe): DataplaneChoice {
  const { dataplane, esp } = wish
  if (dataplane === 'userland') return { plane: 'userland', why: 'the configuration says so' }
  const found = probe()
  const wanted = [...new Set(esp.map(({ cipher, hash }) => showEspProposal({ cipher, hash, group: undefined })))]
  const lacking = found.usable ? wanted.filter((proposal) => !found.ciphers.includes(proposal)) : []
  if (dataplane === 'kernel') {
    if (!found.usable) throw new Error(`dataplane: kernel can't work here: ${missing(found)}; ${advice}`)
    if (lacking.length > 0)
      throw new Error(
        `dataplane: kernel can't work here: this kernel has no ${lacking.join(', ')}, which the configuration allows; load the modules of these ciphers and hashes (modprobe des_generic, gcm, sha512_generic …), list others in remoteAccess.esp, or write dataplane: auto`,
      )
    return { plane: 'kernel', why: 'the configuration says so' }
  }
  if (!found.usable) return { plane: 'userland', why: `the kernel can't: ${missing(found)}` }
  if (lacking.length > 0)
    return { plane: 'userland', why: `the kernel has no ${lacking.join(', ')}, which the configuration allows` }
  return { plane: 'kernel', why: 'ESP, L2TP and PPP were tried in this kernel, and work' }
}

const advice =
  'load what is missing (modprobe esp4 xfrm_user l2tp_ppp ppp_generic nf_tables), run as root or with CAP_NET_ADMIN, or write dataplane: auto'

/** A kernel without ESP lacks every transform: once is enough, with the reason of the first. */
function missing({ missing: parts, why }: NativeKernelProbe): string {
  const esp = parts.filter((part) => part.startsWith('ESP with '))
  const reason = /\(.*\)$/.exec(esp[0] ?? '')?.[0] ?? ''
  const others = parts.filter((part) => !esp.includes(part))
  const all = esp.length > 1 ? [`ESP ${reason}`.trim(), ...others] : parts
  return all.length > 0 ? all.join(', ') : why
}
