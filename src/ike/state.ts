// All that IKE remembers, as plain data: no key object, closure or promise, so that it can be snapshotted and replayed.
import type { EspProposal, Group, IkeProposal } from '../algorithms/algorithms.ts'
import type { Path } from '../wire/address.ts'
import { Deadlines } from '../wire/deadlines.ts'
import type { Instant } from '../wire/machine.ts'
import { TouchedMap } from '../wire/touched.ts'
import type { Encoded } from './authentication.ts'
import type {
  ClientKind,
  Credential,
  IkePolicy,
  IkeSaId,
  PeerGoneReason,
  PeerId,
  SaPair,
  TunnelUse,
} from './contract.ts'
import type { Software } from './fingerprint.ts'
import type { Fragments } from './fragmentation.ts'
import { type HalfOpen, noHalfOpen } from './half-open.ts'
import type { Cookies, IkeKeys, Phase1Transcript } from './keys.ts'
import type { NatMethod } from './nat.ts'
import { type Quota, quota } from './quota.ts'
import type { Answers, Resend } from './retransmit.ts'
import type { Truncation } from './truncation.ts'
import type { IdPayload, NotifyPayload, Payload, SaPayload } from './wire/payloads.ts'

// --- phase 1 ----------------------------------------------------------------------------------------------------------------------------

/** What both sides agreed in the first two messages. Lifetimes as the chosen transform states them. */
export type Agreed = {
  readonly proposal: IkeProposal
  /** The authentication method's number. */
  readonly method: number
  /** The initiator's SA body, which HASH_I and HASH_R cover. */
  readonly saiB: Uint8Array
  readonly lifeSeconds: number | undefined
  readonly lifeKilobytes: number | undefined
}

/** What the key exchange left: all that MM5 and MM6 depend on besides the pre-shared key. */
export type Exchanged = {
  readonly agreed: Agreed
  readonly transcript: Phase1Transcript
  readonly niB: Uint8Array
  readonly nrB: Uint8Array
  readonly gxy: Uint8Array
}

/** What happens when the Diffie-Hellman work is done. */
export type Phase1Work =
  | {
      readonly to: 'send AM2'
      readonly agreed: Agreed
      readonly answer: SaPayload
      readonly gxi: Uint8Array
      readonly niB: Uint8Array
      readonly idiiB: Uint8Array
      readonly received: Uint8Array
    }
  | { readonly to: 'send AM1'; readonly offered: SaPayload; readonly group: Group }
  /** AM2 came and may be anybody's: with a wrong proof what was awaited is awaited still. */
  | {
      readonly to: 'send AM3'
      readonly awaiting: AwaitingAM2
      readonly agreed: Agreed
      readonly gxr: Uint8Array
      readonly responderCookie: Uint8Array
      readonly received: Uint8Array
      readonly path: Path
      /** When AM1 would go out again. */
      readonly resendAt: Instant
    }
  | { readonly to: 'send MM3'; readonly agreed: Agreed }
  | {
      readonly to: 'send MM4'
      readonly agreed: Agreed
      readonly gxi: Uint8Array
      readonly niB: Uint8Array
      readonly received: Uint8Array
    }
  | {
      readonly to: 'send MM5'
      readonly agreed: Agreed
      readonly transcript: Phase1Transcript
      readonly niB: Uint8Array
      readonly nrB: Uint8Array
    }

/** What waits for a signature or a judgement: phase 1 is sealed already. `iv` is the next one. */
type Sealed = { readonly exchanged: Exchanged; readonly keys: IkeKeys; readonly iv: Uint8Array }

/** With signatures: the peer's identification is judged, or ours is signed, before the next message. */
export type SignatureWork =
  | (Sealed & { readonly to: 'sign MM5'; readonly credential: Credential })
  | (Sealed & {
      readonly to: 'judge MM5' | 'judge MM6'
      readonly identity: IdPayload
      readonly notifies: readonly NotifyPayload[]
      readonly path: Path
      readonly received: Uint8Array
    })
  | (Sealed & {
      readonly to: 'sign MM6'
      readonly credential: Credential
      /** Of the peer's certificate. */
      readonly subject: string
      readonly identity: IdPayload
      readonly notifies: readonly NotifyPayload[]
      readonly path: Path
      readonly received: Uint8Array
    })

type AwaitingAM2 = {
  readonly is: 'awaiting AM2'
  readonly offered: SaPayload
  readonly group: Group
  readonly privateValue: Uint8Array
  readonly gxi: Uint8Array
  readonly niB: Uint8Array
  readonly idiiB: Uint8Array
  readonly resend: Resend
}

/** Named for the message that is awaited. */
export type Phase1 =
  | AwaitingAM2
  /** Aggressive mode: the peer's ID came in clear, and is believed with AM3. */
  | {
      readonly is: 'awaiting AM3'
      readonly exchanged: Exchanged
      readonly keys: IkeKeys
      readonly iv: Uint8Array
      readonly idiiB: Uint8Array
    }
  | { readonly is: 'awaiting MM2'; readonly offered: SaPayload; readonly resend: Resend }
  | { readonly is: 'awaiting MM3'; readonly agreed: Agreed }
  | { readonly is: 'computing'; readonly job: number; readonly work: Phase1Work | SignatureWork }
  | {
      readonly is: 'awaiting MM4'
      readonly agreed: Agreed
      readonly privateValue: Uint8Array
      readonly gxi: Uint8Array
      readonly niB: Uint8Array
      readonly resend: Resend
    }
  | { readonly is: 'awaiting MM5'; readonly exchanged: Exchanged }
  | {
      readonly is: 'awaiting MM6'
      readonly exchanged: Exchanged
      readonly keys: IkeKeys
      readonly iv: Uint8Array
      readonly resend: Resend
    }
  | { readonly is: 'established'; readonly agreed: Agreed; readonly keys: IkeKeys; readonly lastBlock: Uint8Array }
  /** Said Delete, by either side: new quick modes are still answered for a while (Apple), nothing is started on it. */
  | { readonly is: 'deleted'; readonly agreed: Agreed; readonly keys: IkeKeys; readonly lastBlock: Uint8Array }

/** What somebody who called `connect` waits for. */
export type Request = {
  readonly number: number
  readonly path: Path
  readonly ports: { readonly local: number; readonly remote: number }
  readonly nattPort: number
  readonly attempt: number
  /** Tunnel mode for this instead of L2TP. */
  readonly tunnel?: TunnelUse | undefined
}

export type IkeSa = {
  readonly id: IkeSaId
  readonly role: 'initiator' | 'responder'
  /** The responder's is all zero until MM2. */
  cookies: Cookies
  path: Path
  /** The address with which main mode was spoken in clear: what we sent there was answered from there. */
  readonly exchangedWith: string
  phase1: Phase1
  client: ClientKind
  /** More exactly, by the first packet. */
  software: Software
  natMethod: NatMethod | undefined
  peerBehindNat: boolean
  weBehindNat: boolean
  /** The peer dialled the address that we have, not the public one of the 1:1 NAT before us. */
  dialledDirectly: boolean
  /** The peer announced RFC 3706. */
  dpd: boolean
  /** Both sides announced that they take fragments. */
  fragmentation: boolean
  fragments: Fragments | undefined
  /** The peer's ID, authenticated: `ID_IPV4_ADDR 192.168.1.2`. */
  identity: string | undefined
  /** The same for people. */
  shownIdentity: string | undefined
  established: Instant | undefined
  expires: Instant | undefined
  peer: PeerId | undefined
  request: Request | undefined
  /** It began in aggressive mode: names went in clear, and a guessable key can be found from what was sent. */
  aggressive: boolean
  /** The ISAKMP SA that this one replaces. */
  readonly replaces: IkeSaId | undefined
  /** A responder's: where a repeated first message is looked up. */
  readonly first: string | undefined
  /** Certificates that the peer asked for in phase 1. */
  requests: readonly Encoded[]
  /** Which of the pre-shared keys for this address it was. */
  keyIndex: number
  /** A newer one took its place. */
  replaced: boolean
  /** What an unauthenticated notify said while we waited: for the sentence of a failure, never acted upon. */
  hint: string | undefined
  /** A message that came before its turn; tried again when the state moves on. */
  parked: { readonly path: Path; readonly octets: Uint8Array } | undefined
  /** Message ids of the peer's exchanges that were authentic: a replay of one makes no state. */
  readonly seen: Set<number>
  readonly answers: Answers
  readonly quick: Map<number, QuickMode>
  /** Whether a wrong key was reported, which is done once. */
  keyRefused: boolean
}

// --- quick mode -------------------------------------------------------------------------------------------------------------------------

/** What we ask for when we begin a quick mode. */
export type Wish = {
  readonly inboundSpi: number
  readonly proposals: readonly EspProposal[]
  readonly group: Group | undefined
  readonly encapsulated: boolean
  readonly lifeSeconds: number
  readonly lifeKilobytes: number | undefined
  readonly selectors: Selectors
  readonly natOa: SaPair['natOa']
  /** Inbound SPI of the pair that the new one replaces. */
  readonly replaces: number | undefined
}

/** ID bodies of our end and the peer's, to be repeated when the pair is rekeyed; undefined where none were sent. */
export type Selectors = {
  readonly ours: Uint8Array | undefined
  readonly peers: Uint8Array | undefined
  readonly ports: { readonly local: number; readonly remote: number }
  /** Tunnel mode: what the IDs mean. */
  readonly tunnel?: TunnelUse | undefined
}

/** What a quick mode has agreed: all of the pair but its keys. */
export type Offer = {
  readonly proposal: EspProposal
  readonly encapsulated: boolean
  readonly lifeSeconds: number
  readonly lifeKilobytes: number | undefined
  readonly inboundSpi: number
  readonly outboundSpi: number
  readonly esn: boolean
  readonly selectors: Selectors
  readonly natOa: SaPair['natOa']
  readonly predecessor: number | undefined
  /** The peer set the commit bit: the pair carries nothing of ours before its CONNECTED (RFC 2408 §3.1). */
  readonly commit: boolean
}

export type Nonces = { readonly niB: Uint8Array; readonly nrB: Uint8Array }

export type QuickModeWork =
  /** Responder with PFS: answer with our public value. `reply` are the payloads of QM2 that stand before KE is known. */
  | {
      readonly to: 'send QM2'
      readonly offer: Offer
      readonly nonces: Nonces
      readonly reply: QuickModeReply
    }
  /** Initiator with PFS: our public value first. */
  | { readonly to: 'send QM1'; readonly wish: Wish }
  | {
      readonly to: 'send QM3'
      readonly offer: Offer
      readonly nonces: Nonces
      readonly iv: Uint8Array
      readonly received: Uint8Array
    }

/** What QM2 says besides the nonce and KE, the IV that it continues from, and the QM1 that it answers. */
export type QuickModeReply = {
  readonly answer: SaPayload
  /** IDs as they came, NAT-OA, notifies: what stands behind nonce and KE. */
  readonly behind: readonly Payload[]
  readonly iv: Uint8Array
  readonly received: Uint8Array
}

export type QuickMode =
  /** Ours, not begun yet: another of ours is under way. */
  | { readonly is: 'waiting'; readonly wish: Wish }
  | { readonly is: 'computing'; readonly job: number; readonly work: QuickModeWork }
  | {
      readonly is: 'awaiting QM2'
      readonly wish: Wish
      readonly offered: SaPayload
      readonly niB: Uint8Array
      readonly iv: Uint8Array
      readonly privateValue: Uint8Array | undefined
      readonly resend: Resend
    }
  /** The pair goes into the fast path; `message` (QM2 or QM3) waits for it. */
  | {
      readonly is: 'installing'
      readonly job: number
      readonly role: 'initiator' | 'responder'
      readonly pair: Pair
      readonly peer: PeerId
      readonly commit: boolean
      readonly message: Uint8Array
      readonly received: Uint8Array
      readonly nonces: Nonces
      readonly iv: Uint8Array
    }
  | {
      readonly is: 'awaiting QM3'
      readonly inboundSpi: number
      readonly commit: boolean
      readonly nonces: Nonces
      readonly iv: Uint8Array
      readonly resend: Resend
    }
  /**
   * QM3 is sent, and repeated for each repeated QM2, or it came with the commit bit set: the pair is used once that has been quiet, with CONNECTED, or on its first
   * packet. `iv` is that of a fourth message.
   */
  | { readonly is: 'settling'; readonly inboundSpi: number; readonly iv: Uint8Array }

// --- peers ------------------------------------------------------------------------------------------------------------------------------

export type Pair = {
  readonly inboundSpi: number
  readonly outboundSpi: number
  readonly proposal: EspProposal
  readonly encapsulated: boolean
  readonly ikeSa: IkeSaId
  /** Ours in the quick mode that made it. */
  readonly role: 'initiator' | 'responder'
  readonly selectors: Selectors
  readonly natOa: SaPair['natOa']
  readonly esn: boolean
  readonly replayWindow: number
  readonly established: Instant
  readonly expires: Instant
  readonly lifeKilobytes: number | undefined
  /** Inbound SPI of the pair that carried packets when this one was negotiated. */
  readonly predecessor: number | undefined
  /** The lesser nonce, by which both sides choose between two pairs that were made at once. */
  readonly rank: string
  /** Bits to which its peer cuts SHA2-256; undefined with other hashes. */
  truncation: Truncation
  state: 'new' | 'current' | 'draining'
  octets: number
  heardAt: Instant
  drainsUntil: Instant | undefined
  deleteSaid: boolean
  /** Its kilobytes are used up. */
  used: boolean
}

export type Peer = {
  readonly id: PeerId
  readonly identity: string
  readonly client: ClientKind
  path: Path
  /** The last address at which it was shown to be (return-path.ts). */
  provenAt: string | undefined
  /** A question that went to an address at which it is not shown to be yet. */
  challenge: { readonly address: string; readonly sequence: number } | undefined
  /** ISAKMP SAs, the oldest first. */
  readonly sas: Set<IkeSaId>
  /** By inbound SPI, the oldest first. */
  readonly pairs: Map<number, Pair>
  /** Inbound SPI of the pair that carries our packets. */
  using: number | undefined
  heardAt: Instant
  /** When packets of ours were last seen to go out through its pairs. */
  sentAt: Instant | undefined
  /** Dead-peer detection in progress. */
  probe: { readonly sent: number } | undefined
  /** Of our last R-U-THERE; it only rises (RFC 3706 §5.3), or Openswan and libreswan answer no more. */
  sequence: number
  request: number | undefined
  announced: boolean
  /** An install was asked for: the fast path has the peer, or will have it. */
  inFastPath: boolean
  lostBecause: PeerGoneReason
}

// --- all --------------------------------------------------------------------------------------------------------------------------------

/** Who waits for a job. */
export type JobOwner = {
  readonly sa: IkeSaId
  readonly messageId: number
  /** Of an install: the pair that is taken away again if nobody waits for it any more. */
  readonly install?: { readonly peer: PeerId; readonly inboundSpi: number }
}

export type IkeState = {
  policy: IkePolicy
  readonly sas: TouchedMap<IkeSaId, IkeSa>
  /** By both cookies; an initiator's before MM2 by its own and eight zeros. */
  readonly byCookies: Map<string, IkeSaId>
  /** Responder's negotiations by first message and source: where a repeated first message belongs. */
  readonly byFirst: Map<string, IkeSaId>
  readonly peers: TouchedMap<PeerId, Peer>
  readonly peersByRemote: Map<string, Set<PeerId>>
  /** Inbound SPIs in use or promised (peer -1). */
  readonly spis: Map<number, PeerId>
  readonly jobs: Map<number, JobOwner>
  readonly timers: Deadlines<string>
  readonly halfOpen: HalfOpen
  /** Established ISAKMP SAs without a peer, the oldest first. */
  readonly bare: Set<IkeSaId>
  /** ISAKMP SAs with a message of which only parts came, the oldest first. */
  readonly assembling: Set<IkeSaId>
  /** ISAKMP SAs to drop at the end of this turn. */
  readonly forget: IkeSaId[]
  readonly invalidQuota: Quota
  readonly refusalQuota: Quota
  readonly notifyQuota: Quota
  readonly limitQuota: Quota
  readonly next: { sa: IkeSaId; peer: PeerId; job: number }
}

export function newState(policy: IkePolicy): IkeState {
  return {
    policy,
    sas: new TouchedMap(),
    byCookies: new Map(),
    byFirst: new Map(),
    peers: new TouchedMap(),
    peersByRemote: new Map(),
    spis: new Map(),
    jobs: new Map(),
    timers: new Deadlines(),
    halfOpen: noHalfOpen(),
    bare: new Set(),
    assembling: new Set(),
    forget: [],
    // Ours. What strangers can make us log or send: per source a few at once and then one in so many milliseconds; in all likewise.
    invalidQuota: quota(3, 5_000, 50, 100),
    refusalQuota: quota(2, 5_000, 50, 100),
    notifyQuota: quota(1, 2_000, 50, 50),
    limitQuota: quota(1, 10_000, 10, 1_000),
    next: { sa: 1, peer: 1, job: 1 },
  }
}
