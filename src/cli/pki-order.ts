// What the verbs of `gatehouse pki` share: what was ordered, judged, and what is said of what was made.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { type Authority, type Issued, nameFault } from '../pki/authority.ts'
import { pem } from '../pki/der-reader.ts'
import { UsageError } from './arguments.ts'

/** Options of the command line. */
export type Values = Partial<
  Record<'dir' | 'crl-url' | 'years' | 'days' | 'password' | 'password-file' | 'client', string>
> & {
  address?: string[]
  ecdsa?: boolean
  text?: boolean
  anew?: boolean
}

/** Years of an authority: what it issued is at its end then. */
export const usualYears = 10

export const say = (line: string) => void process.stdout.write(`${line}\n`)
export const date = (at: number) => new Date(at).toISOString().slice(0, 10)

export function needed(name: string | undefined, what: string): string {
  if (name === undefined || name === '') throw new UsageError(`${what} is missing; gatehouse pki --help`)
  return name
}

/** A name that a certificate may have. */
export function named(given: string | undefined, what: string): string {
  const name = needed(given, what)
  const fault = nameFault(name)
  if (fault !== undefined) throw new UsageError(fault)
  return name
}

/** What a gateway's certificate speaks for. */
export const altNames = (name: string, { address = [] }: Values) => [...new Set([name, ...address])]

/** What a name has that isn't revoked. */
export const validOf = ({ register }: Authority, name: string): readonly Issued[] =>
  register.issued.filter((one) => one.name === name && one.revokedAt === undefined)

const lastOf = ({ register }: Authority, name: string) => register.issued.findLast((one) => one.name === name)!

export function sayGateway(folder: string, authority: Authority, name: string): void {
  const { altNames, notAfter } = lastOf(authority, name)
  say(`${join(folder, `${name}.pem`)} and ${name}.key: for ${altNames.join(', ')}, until ${date(notAfter)}`)
}

export function sayClient(folder: string, authority: Authority, name: string): void {
  const { notAfter } = lastOf(authority, name)
  say(
    `${join(folder, `${name}.p12`)}: for ${name}, until ${date(notAfter)}; on Windows it goes into the computer's store (certlm.msc), not the user's`,
  )
}

/** The bundle as text, for who has no more than a serial line, and how it becomes a file again. */
export function sayBundle(folder: string, name: string, password: string | undefined): void {
  say(pem('PKCS12', readFileSync(join(folder, `${name}.p12`))).trimEnd())
  say(
    password === undefined
      ? 'Its password was shown when it was made, and is not kept.'
      : `Its password: ${password} (not kept: note it)`,
  )
  say(`Save the lines from BEGIN to END as ${name}.txt, then make ${name}.p12 of it by`)
  say(`  Windows        certutil -decode ${name}.txt ${name}.p12`)
  say(`  macOS, Linux   grep -v ^- ${name}.txt | tr -d '\\r' | base64 --decode > ${name}.p12`)
  say(`Windows has it in the computer's store by "certutil -importpfx ${name}.p12" as administrator.`)
}
