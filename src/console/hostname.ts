// The host name, which the prompt shows: from any text that is there, also a faulty one.
import { plainValue } from '../config/document.ts'

/** The configuration's host name; `gatehouse` where it has none that can be shown. */
export function hostnameOf(text: string | undefined): string {
  const value = text === undefined ? undefined : plainValue(text)
  const name = typeof value === 'object' && value !== null ? (value as { hostname?: unknown }).hostname : undefined
  return typeof name === 'string' && /^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/i.test(name) ? name : 'gatehouse'
}
