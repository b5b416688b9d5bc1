// PPP over a serial line (RFC 1662): flags, escapes and the 16-bit frame check, between our link and a pppd on a guest's serial port.

const FLAG = 0x7e
const ESCAPE = 0x7d

/** FCS-16 (RFC 1662 app. C.2). */
function fcs16(octets: Uint8Array): number {
  let fcs = 0xffff
  for (const octet of octets) {
    fcs ^= octet
    for (let i = 0; i < 8; i++) fcs = fcs & 1 ? (fcs >>> 1) ^ 0x8408 : fcs >>> 1
  }
  return fcs
}

/** One frame with FF 03 and the whole protocol number, everything below 0x20 escaped. */
export function hdlcFrame(protocol: number, payload: Uint8Array): Uint8Array {
  const body = Uint8Array.of(0xff, 0x03, protocol >>> 8, protocol & 0xff, ...payload)
  const check = fcs16(body) ^ 0xffff
  const escaped: number[] = [FLAG]
  for (const octet of [...body, check & 0xff, check >>> 8]) {
    if (octet < 0x20 || octet === FLAG || octet === ESCAPE) escaped.push(ESCAPE, octet ^ 0x20)
    else escaped.push(octet)
  }
  return Uint8Array.from([...escaped, FLAG])
}

/** Takes octets as they come and calls `frame` for each whole frame whose check is right. */
export class HdlcReader {
  readonly #frame: (protocol: number, payload: Uint8Array) => void
  #octets: number[] = []
  #escaped = false

  constructor(frame: (protocol: number, payload: Uint8Array) => void) {
    this.#frame = frame
  }

  push(chunk: Uint8Array): void {
    for (const octet of chunk) {
      if (octet === FLAG) this.#end()
      else if (octet === ESCAPE) this.#escaped = true
      else {
        this.#octets.push(this.#escaped ? octet ^ 0x20 : octet)
        this.#escaped = false
      }
    }
  }

  #end(): void {
    const octets = Uint8Array.from(this.#octets)
    this.#octets = []
    this.#escaped = false
    // The check over a whole frame, check included, is this number.
    if (octets.length < 4 || fcs16(octets) !== 0xf0b8) return
    let at = octets[0] === 0xff && octets[1] === 0x03 ? 2 : 0
    const protocol = octets[at]! & 1 ? octets[at++]! : (octets[at++]! << 8) | octets[at++]!
    this.#frame(protocol, octets.slice(at, -2))
  }
}
