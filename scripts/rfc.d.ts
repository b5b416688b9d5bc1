// The types of rfc.js, which is plain JavaScript, for the test that holds CI to the register.
export type Must = {
  readonly rfc: string
  readonly line: number
  readonly section: string
  readonly demand: string
  readonly proof: string
}
export function musts(): Must[]
export function fault(must: Must): string | undefined
export function demandingSections(text: string): string[]
