// IKE's work with certificates, as it comes over from the machine: signing with our keys, and judging what a peer showed. The order: read, chain, dates and
// constraints (path.ts), whose ID it is, whose signature, and only then revocation, which may ask the network.
import type { KeyObject } from 'node:crypto'
import { type Certificate, parseCertificate } from './certificate.ts'
import { readKey } from './credential.ts'
import { identityFault, speaksFor } from './identity.ts'
import { showName } from './names.ts'
import { judge, type Trust } from './path.ts'
import { certificatesIn } from './pkcs7.ts'
import type { Revocation } from './revocation.ts'
import type { CertificateSettings, RuleSettings } from './settings.ts'
import { methodOf, signHash, verifyHash } from './signature.ts'

type Encoded = { readonly encoding: number; readonly data: Uint8Array }

/** Has the shape of IKE's CertificateWork. */
export type JudgeWork =
  | { readonly do: 'sign'; readonly credential: string; readonly hash: Uint8Array }
  | {
      readonly do: 'verify'
      readonly rule: string
      readonly method: number
      readonly hash: Uint8Array
      readonly signature: Uint8Array
      readonly certificates: readonly Encoded[]
      readonly identity: { readonly idType: number; readonly data: Uint8Array }
      readonly role: 'initiator' | 'responder'
    }

export type JudgeResult =
  | { readonly is: 'signed'; readonly signature: Uint8Array }
  | { readonly is: 'verified'; readonly subject: string }
  /** One sentence, and what the peer is told. */
  | Failed

type Failed = { readonly is: 'failed'; readonly reason: string; readonly tell?: Fault }

/** Has the shape of IKE's CertificateFault. */
type Fault = 'INVALID-CERTIFICATE' | 'INVALID-CERT-AUTHORITY' | 'INVALID-ID-INFORMATION' | 'INVALID-SIGNATURE'

/** Certificate encodings of RFC 2408 §3.9 that are read. */
const encodings = { pkcs7: 1, x509: 4 } as const

type Rule = { readonly settings: RuleSettings; readonly trust: Trust }

type Judgement = { readonly is: 'believed'; readonly path: readonly Certificate[]; readonly rule: Rule } | Failed

export class Judge {
  #rules = new Map<string, Rule>()
  #keys = new Map<string, KeyObject>()
  readonly #revocation: Revocation
  readonly #now: () => number

  constructor(revocation: Revocation, now: () => number) {
    this.#revocation = revocation
    this.#now = now
  }

  /** Replaces all that was judged by; throws where a certificate or key can't be read. */
  configure({ rules, keys }: CertificateSettings): void {
    this.#rules = new Map(
      rules.map((settings) => {
        const { authorities, intermediates, weak, name } = settings
        const trust = {
          authorities: authorities.map(parseCertificate),
          intermediates: intermediates.map(parseCertificate),
          weak,
        }
        return [name, { settings, trust }] as const
      }),
    )
    this.#keys = new Map(keys.map(({ credential, pem }) => [credential, readKey(pem, `the key of ${credential}`)]))
    this.#revocation.forgetFiles()
  }

  /** Never rejects: what can't be done is `failed`, with one sentence. */
  async work(work: JudgeWork): Promise<JudgeResult> {
    try {
      if (work.do === 'sign') return this.sign(work)
      const judgement = this.believe(work)
      if (judgement.is === 'failed') return judgement
      const { path, rule } = judgement
      const fault = await this.#revocation.fault(path, rule.settings)
      if (fault) return failed(fault.why, fault.revoked ? 'INVALID-CERTIFICATE' : undefined)
      return { is: 'verified', subject: showName(path[0]!.subject) }
    } catch (error) {
      return { is: 'failed', reason: `the certificate could not be judged: ${(error as Error).message}` }
    }
  }

  sign({ credential, hash }: JudgeWork & { do: 'sign' }): JudgeResult {
    const key = this.#keys.get(credential)
    if (!key) return { is: 'failed', reason: 'its key is not here' }
    return { is: 'signed', signature: signHash(key, hash) }
  }

  /** Everything but revocation. */
  believe(work: JudgeWork & { do: 'verify' }): Judgement {
    const rule = this.#rules.get(work.rule)
    if (!rule) return failed('no authorities are configured for this peer any more: configure certificates.authorities')
    const read = readAll(work.certificates)
    if (read.is === 'failed') return read
    const { certificates } = read
    if (certificates.length === 0)
      return failed(
        'the peer sent no certificate (Windows logs 13806 where it has none that fits): install one on it, with its key, in the computer’s own store, issued by an authority that is trusted here',
      )
    // The peer's own is the one whose key signed; others are its chain, in any order.
    const own = certificates.find(
      (one) => methodOf(one.publicKey) === work.method && verifyHash(one.publicKey, work.hash, work.signature),
    )
    const leaf = own ?? certificates[0]!
    const judged = judge([leaf, ...certificates.filter((one) => one !== leaf)], rule.trust, {
      at: this.#now(),
      purpose: rule.settings.purpose,
    })
    if (judged.is === 'refused')
      return failed(judged.why, judged.unknown ? 'INVALID-CERT-AUTHORITY' : 'INVALID-CERTIFICATE')
    if (!own) return failed(unsigned(leaf, work.method), 'INVALID-SIGNATURE')
    const fault = identityFault(leaf, work.identity.idType, work.identity.data)
    if (fault) return failed(fault, 'INVALID-ID-INFORMATION')
    const meant = rule.settings.identities
    if (meant.length > 0 && !meant.some((one) => speaksFor(leaf, one)))
      return failed(
        `the certificate of ${showName(leaf.subject)} does not speak for ${meant.join(' or ')}, which was meant: have it issued with that as subjectAltName, or name the peer as its certificate does`,
        'INVALID-ID-INFORMATION',
      )
    return { is: 'believed', path: judged.path, rule }
  }
}

const failed = (reason: string, tell?: Fault): Failed => ({ is: 'failed', reason, ...(tell ? { tell } : {}) })

function unsigned(leaf: Certificate, method: number): string {
  const who = `the certificate of ${showName(leaf.subject)}`
  if (methodOf(leaf.publicKey) !== method)
    return `${who} has a key of another kind than the authentication method that was agreed on: offer the method of that key on the peer`
  return `the peer’s signature is not by the key of ${who}: its certificate and key do not belong together, install both anew`
}

// Ours: a chain is shorter; reading each costs a millisecond at worst.
const mostCertificates = 16

function readAll(
  encoded: readonly Encoded[],
): { readonly is: 'read'; readonly certificates: readonly Certificate[] } | Failed {
  const certificates: Certificate[] = []
  for (const { encoding, data } of encoded) {
    try {
      const ders = encoding === encodings.x509 ? [data] : encoding === encodings.pkcs7 ? certificatesIn(data) : []
      for (const der of ders) {
        if (certificates.length >= mostCertificates)
          return failed(`the peer sent more than ${mostCertificates} certificates: a chain of a few is right`)
        certificates.push(parseCertificate(der))
      }
    } catch (error) {
      return failed(
        `a certificate that the peer sent can't be read (${(error as Error).message}): have it issued anew`,
        'INVALID-CERTIFICATE',
      )
    }
  }
  return { is: 'read', certificates }
}
