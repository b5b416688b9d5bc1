// The authority that a gateway has for itself: a folder beside the configuration, which `gatehouse pki` fills (../cli/pki-on-gateway.ts says how its dates
// bear a wrong clock). That is a process of its own: what makes certificates is not held by a console that waits for a log-in.
import { dirname, join } from 'node:path'
import { CommitError } from './commit-error.ts'
import type { Device } from './device.ts'
import { isExpected, type Shell } from './shell.ts'

/** Milliseconds for three RSA keys on the slowest board. */
export const makeMs = 600_000

export const certificateFolder = ({ config }: Pick<Device, 'config'>) => join(dirname(config), 'pki')

/** What stands in the register, as far as it is shown. */
export type IssuedName = {
  readonly name: string
  readonly serial: string
  readonly kind: string
  readonly revoked: boolean
}

/** Whom the authority certified; nobody where there is none. */
export function issuedNames(device: Pick<Device, 'config' | 'disk'>): readonly IssuedName[] {
  try {
    const text = device.disk.read(join(certificateFolder(device), 'issued.json')) ?? '{}'
    const { issued = [] } = JSON.parse(text) as { issued?: readonly Record<string, unknown>[] }
    return issued.map(({ name, serial, kind, revokedAt }) => ({
      name: String(name),
      serial: String(serial),
      kind: String(kind),
      revoked: revokedAt !== undefined,
    }))
  } catch {
    return []
  }
}

/** What the wizard made: the client's bundle as lines to show, and the way back where the commit fails. */
export type FirstCertificates = {
  readonly client: string
  readonly text: readonly string[]
  readonly undo: () => void
}

/**
 * The authority, the gateway's certificate for what clients dial, and the first client's. Where there is no configuration, an authority belongs to nobody:
 * an earlier try was cut short, and another is made in its place. Throws a CommitError that says why it can't be done.
 */
export async function firstCertificates(
  { device, archive }: Pick<Shell, 'device' | 'archive'>,
  [name, ...others]: readonly string[],
  user: string,
): Promise<FirstCertificates> {
  const folder = certificateFolder(device)
  const anew = archive.current() === undefined || device.disk.read(join(folder, 'ca.key')) === undefined
  const addresses = others.flatMap((other) => ['--address', other])
  const client = clientName(user, name!)
  const args = ['pki', 'setup', name!, ...addresses, '--client', client, '--dir', folder]
  const undo = () => anew && device.disk.removeFolder(folder)
  try {
    const { code, text, late } = await device.gatehouse([...args, ...(anew ? ['--anew'] : [])], { timeoutMs: makeMs })
    if (code !== 0) throw new CommitError(`no certificates could be made: ${late ? 'it took too long' : text.trim()}`)
    return { client, text: text.trimEnd().split('\n'), undo }
  } catch (error) {
    undo()
    throw isExpected(error) ? new CommitError(error.message) : error
  }
}

/** The user's name where it is fit for a file, and not the gateway's. */
function clientName(user: string, gateway: string): string {
  const fits = /^[\w@][\w@.-]{0,55}$/.test(user) && !/^(ca|crl|issued)$/i.test(user)
  const name = fits ? user : 'client-1'
  return name === gateway ? `${name}-client` : name
}
