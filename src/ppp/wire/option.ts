// Numbers inside options. Every protocol's registry of options stands in a file of its own beside this one.
import type { Option } from './control.ts'

/** One row of a registry. `octets`: length of the data, where it is fixed. */
export type OptionKind = {
  readonly type: number
  readonly name: string
  readonly source: string
  readonly octets: number | undefined
}

export function option(kind: OptionKind, data: Uint8Array = new Uint8Array()): Option {
  return { type: kind.type, data }
}

/** An option that holds one unsigned number of the kind's length. */
export function numberOption(kind: OptionKind, value: number): Option {
  const data = Uint8Array.from({ length: kind.octets! }, (_, i) => (value >>> (8 * (kind.octets! - 1 - i))) & 0xff)
  return { type: kind.type, data }
}

/** The unsigned number, of up to four octets. */
export function numberOf(found: Option): number {
  return found.data.reduce((sum, octet) => sum * 256 + octet, 0)
}

export function find(options: readonly Option[], kind: OptionKind): Option | undefined {
  return options.find(({ type }) => type === kind.type)
}

/** The row for an option, whether or not its length is right. */
export function kindOf(registry: Readonly<Record<string, OptionKind>>, found: Option): OptionKind | undefined {
  for (const name in registry) if (registry[name]!.type === found.type) return registry[name]
  return undefined
}

/** The name to show: `Maximum-Receive-Unit`, or `option 99`. */
export function optionName(registry: Readonly<Record<string, OptionKind>>, found: Option): string {
  return kindOf(registry, found)?.name ?? `option ${found.type}`
}
