// Whether a certificate was revoked, asked of lists from files and from HTTP and of OCSP servers, in three strengths. What was fetched is kept until it
// expires, and refreshed before; fetching is bounded in octets, time and number. Addresses come only from certificates whose chain is trusted already.
import type { Certificate } from './certificate.ts'
import { askCrl, type Crl, longestCrl, parseCrl, type Standing } from './crl.ts'
import { showName } from './names.ts'
import { askOcsp, longestOcsp, ocspRequest } from './ocsp.ts'
import type { RuleSettings } from './settings.ts'

/** The outside: what an address or a file holds. Rejects with an Error whose message says why. */
export type Sources = {
  readonly http: (
    url: string,
    options: { readonly most: number; readonly body?: Uint8Array; readonly type?: string },
  ) => Promise<Uint8Array>
  readonly file: (path: string) => Uint8Array
  /** Milliseconds since 1970. */
  readonly now: () => number
}

// Ours, with reasons.
/** Lists kept: an authority has one or two. */
const mostKept = 64
/** A list is looked for anew when this much of its time is over. */
const freshShare = 0.75
/** A list without an end, and the longest that any is believed without another look. */
const longestKeptMs = 86_400_000
/** After a failure the same source is not asked again for so long: peers that call must not make us call. */
const sulkMs = 60_000

type Kept<T> = { readonly value: T; readonly freshUntil: number }

export class Revocation {
  readonly #sources: Sources
  readonly #crls = new Map<string, Kept<Crl>>()
  readonly #answers = new Map<string, Kept<Standing>>()
  readonly #failed = new Map<string, { readonly why: string; readonly until: number }>()
  readonly #fetching = new Map<string, Promise<Uint8Array>>()

  constructor(sources: Sources) {
    this.#sources = sources
  }

  /** Files are read again. */
  forgetFiles(): void {
    for (const key of this.#crls.keys()) if (!key.startsWith('http://')) this.#crls.delete(key)
    this.#failed.clear()
  }

  /** Why the path may not be believed, in one sentence, or undefined. `revoked`: known to be; else nothing can be found out. */
  async fault(
    path: readonly Certificate[],
    rule: RuleSettings,
  ): Promise<{ readonly why: string; readonly revoked: boolean } | undefined> {
    if (rule.revocation === 'off') return undefined
    for (let i = path.length - 2; i >= 0; i--) {
      const certificate = path[i]!
      const standing = await this.#standing(certificate, path[i + 1]!, rule)
      const who = `the certificate of ${showName(certificate.subject)}`
      if (standing.is === 'revoked')
        return {
          why: `${who} was revoked on ${new Date(standing.at).toISOString().slice(0, 10)} by ${showName(certificate.issuer)}: issue a new one to whoever may still come in`,
          revoked: true,
        }
      if (standing.is === 'unknown' && rule.revocation === 'strict')
        return {
          why: `whether ${who} was revoked can't be found out (${standing.why}), and certificates.revocation is strict: mend the source, or set it to standard`,
          revoked: false,
        }
    }
    return undefined
  }

  async #standing(certificate: Certificate, issuer: Certificate, rule: RuleSettings): Promise<Standing> {
    const doubts: string[] = []
    const asked = [
      ...rule.crls.map((place) => () => this.#askList(place, certificate, issuer)),
      ...(rule.ocsp ? certificate.ocspUrls : []).map((url) => () => this.#askServer(url, certificate, issuer)),
      ...certificate.crlUrls.map((url) => () => this.#askList(url, certificate, issuer)),
    ]
    let good: Standing | undefined
    for (const ask of asked) {
      // A configured list that knows nothing against it does not spare the certificate's own sources, unless one of them is good enough already.
      if (good) break
      const standing = await ask().catch((error: Error): Standing => ({ is: 'unknown', why: error.message }))
      if (standing.is === 'revoked') return standing
      if (standing.is === 'good') good = standing
      else doubts.push(standing.why)
    }
    return (
      good ?? {
        is: 'unknown',
        why: doubts.slice(0, 3).join('; ') || 'neither it nor the configuration names a list or a server',
      }
    )
  }

  async #askList(place: string, certificate: Certificate, issuer: Certificate): Promise<Standing> {
    const now = this.#sources.now()
    const kept = this.#crls.get(place)
    if (kept && isAhead(kept.freshUntil, now, longestKeptMs)) return askCrl(kept.value, certificate, issuer, now)
    try {
      const crl = parseCrl(await this.#load(place))
      keep(this.#crls, place, { value: crl, freshUntil: freshUntil(crl.thisUpdate, crl.nextUpdate, now) })
      return askCrl(crl, certificate, issuer, now)
    } catch (error) {
      this.#fails(place, (error as Error).message)
      // An older list that has not expired yet serves on.
      if (kept) return askCrl(kept.value, certificate, issuer, now)
      throw error
    }
  }

  async #askServer(url: string, certificate: Certificate, issuer: Certificate): Promise<Standing> {
    const now = this.#sources.now()
    const key = `${url} ${issuer.subjectKeyId} ${certificate.serial}`
    const kept = this.#answers.get(key)
    if (kept && isAhead(kept.freshUntil, now, longestKeptMs)) return kept.value
    this.#mayAsk(url)
    if (!url.startsWith('http://')) throw new Error(`the OCSP server ${url} is not on http`)
    const request = { most: longestOcsp, body: ocspRequest(certificate, issuer), type: 'application/ocsp-request' }
    const answer = await this.#sources.http(url, request).catch((error: Error) => {
      this.#fails(url, error.message)
      throw error
    })
    const standing = askOcsp(answer, certificate, issuer, now)
    if (standing.is === 'good')
      keep(this.#answers, key, { value: standing, freshUntil: freshUntil(now, standing.until, now) })
    if (standing.is === 'revoked') keep(this.#answers, key, { value: standing, freshUntil: now + longestKeptMs })
    return standing
  }

  async #load(place: string): Promise<Uint8Array> {
    this.#mayAsk(place)
    if (place.startsWith('http://')) {
      // Many peers at once ask for one list: it is fetched once.
      const running = this.#fetching.get(place) ?? this.#sources.http(place, { most: longestCrl })
      this.#fetching.set(place, running)
      return running.finally(() => this.#fetching.delete(place))
    }
    if (/^[a-z]+:\/\//i.test(place)) throw new Error(`the revocation list at ${place.slice(0, 80)} is not on http`)
    return this.#sources.file(place)
  }

  #mayAsk(place: string): void {
    const failed = this.#failed.get(place)
    if (failed && isAhead(failed.until, this.#sources.now(), sulkMs)) throw new Error(failed.why)
  }

  #fails(place: string, why: string): void {
    if (!isAhead(this.#failed.get(place)?.until ?? 0, this.#sources.now(), sulkMs))
      keep(this.#failed, place, { why, until: this.#sources.now() + sulkMs })
  }
}

/** Further ahead than anything was ever put, it is from a time when the clock was wrong. */
function isAhead(until: number, now: number, most: number): boolean {
  return now < until && until - now <= most
}

function freshUntil(from: number, to: number | undefined, now: number): number {
  const share = to === undefined ? now + longestKeptMs : from + (to - from) * freshShare
  return Math.min(Math.max(share, now + sulkMs), now + longestKeptMs)
}

function keep<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key)
  if (map.size >= mostKept) map.delete(map.keys().next().value!)
  map.set(key, value)
}
