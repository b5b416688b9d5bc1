// What a gateway or a client needs of the outside, as interfaces: the composition root passes the machine's own, tests pass fakes.
import type { CertificateWork, Work, WorkResult } from '../ike/contract.ts'
import type { CertificateSettings } from '../pki/settings.ts'
import type { Clock, Timers } from '../platform/clock.ts'
import type { FastPath, FastPathOptions } from '../platform/fast-path.ts'
import type { Journal } from '../platform/journal.ts'
import type { Log } from '../platform/log.ts'
import type { Network } from '../platform/network.ts'
import type { PacketPolicy } from '../platform/packet-policy.ts'
import type { Random } from '../wire/machine.ts'

/** Answers DNS at an inner address for clients. */
export type DnsForwarding = { readonly close: () => Promise<void> }

/** Certificates and private keys at work; `configure` replaces what they were judged by. */
export type Certificates = {
  readonly configure: (settings: CertificateSettings) => void
  readonly work: (work: CertificateWork) => Promise<WorkResult>
}

export type Platform = {
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly log: Log
  /** Diffie-Hellman, off the main thread. */
  readonly work: (work: Work) => Promise<WorkResult>
  /** Judges certificates and signs, off the main thread; undefined: there are none here. */
  readonly certificates?: Certificates | undefined
  /** Fails with an Error whose message says what to do: a busy port, no /dev/net/tun, a missing capability. */
  readonly openFastPath: (options: FastPathOptions) => Promise<FastPath>
  readonly network: Network
  /** IPv4 addresses of a name; rejects where there are none. */
  readonly resolve?: (name: string) => Promise<readonly string[]>
  /** Which address of ours packets to there leave from. */
  readonly localAddressFor?: (remote: string) => Promise<string>
  /** Puts IPsec policies in force; undefined: there are none here. */
  readonly packetPolicy?: PacketPolicy
  /** Where what is known is written down, and what a former process wrote; undefined: a crash ends every session. */
  readonly journal?: Journal | undefined
  /** Forwards questions that come to the address, UDP and TCP port 53, to the machine's own resolvers. Undefined: no DNS here. */
  readonly forwardDns: ((address: string) => Promise<DnsForwarding>) | undefined
}
