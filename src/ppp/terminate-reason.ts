// What the data of a Terminate-Request says: words (pppd and most), or a number in the form of Windows: its magic number, 003ccd74, the error.
import { printable, Reader, Writer } from '../wire/codec.ts'

const WINDOWS_MARK = 0x003ccd74

/** Windows' errors that concern PPP, in words (raserror.h). */
const WINDOWS_ERRORS: Readonly<Record<number, string>> = {
  0: 'the user hung up',
  629: 'the connection was closed by the remote computer',
  646: 'log-in is not allowed at this time of day',
  647: 'the account is disabled',
  648: 'the password has expired',
  649: 'the account has no permission to dial in',
  691: 'the user name or the password is wrong, or the kind of authentication is not allowed',
  718: 'a PPP answer did not come in time',
  720: 'no PPP control protocol came up',
  721: 'the remote computer does not answer',
  722: 'an invalid PPP packet came',
  731: 'the protocol is not configured',
  732: 'the PPP negotiation does not converge',
  733: 'the server does not offer a network protocol that the client needs',
  734: 'the PPP link control protocol was terminated',
  735: 'the server refused the address that was asked for',
  736: 'the remote computer terminated the control protocol',
  737: 'the line is looped back',
  738: 'the server did not assign an address',
  741: 'the remote computer does not support the encryption asked for',
  742: 'the remote computer does not support the encryption asked for',
  778: 'mutual authentication failed: the server could not prove that it knows the password',
  919: 'the remote computer refuses to authenticate itself',
}

export type TerminateReason = {
  /** A part of a sentence, safe to show. */
  readonly text: string
  /** Windows' error number, where there is one and it isn't 0. */
  readonly error: number | undefined
}

export function readTerminateReason(data: Uint8Array): TerminateReason {
  if (data.length >= 12) {
    const body = new Reader(data)
    body.u32('magic number')
    if (body.u32('mark') === WINDOWS_MARK) {
      const error = body.u32('error')
      const words = WINDOWS_ERRORS[error] ?? 'Windows gives no words for it'
      return error === 0 ? { text: words, error: undefined } : { text: `Windows error ${error}: ${words}`, error }
    }
  }
  return { text: data.length === 0 ? 'it gave no reason' : `"${printable(data, 120)}"`, error: undefined }
}

/** The same form the other way, so that a Windows user is shown the number that fits. */
export function windowsTerminateData(magic: number, error: number): Uint8Array {
  return new Writer().u32(magic).u32(WINDOWS_MARK).u32(error).done()
}
