// What `system apply` wants the machine's files to be, as values: nothing here touches a disk.

/** Who has to be told when a file has changed. */
export type Concern =
  | 'hostname'
  | 'timezone'
  | 'firewall'
  | 'network'
  | 'resolvers'
  | 'pppoe'
  | 'time'
  | 'journal'
  | 'syslog'
  | 'watchdog'

/** A file by its absolute path: with this text, a symbolic link, or not there at all. */
export type SystemFile = { readonly path: string; readonly concern: Concern } & (
  | { readonly is: 'text'; readonly text: string; readonly mode: number }
  | { readonly is: 'link'; readonly target: string }
  | { readonly is: 'absent' }
)

/** A file with a first line that says whose it is, or none where there is nothing to say in it. */
export function made(concern: Concern, path: string, text: string | undefined, mode = 0o644): SystemFile {
  if (text === undefined) return { path, concern, is: 'absent' }
  return { path, concern, is: 'text', text: `${notice}${text}`, mode }
}

const notice = '# Made by gatehouse system apply from the configuration: what is changed here is lost.\n'

/** Sections of an ini file; a value that is undefined is left out, a list is repeated. */
export function ini(sections: readonly (readonly [string, Readonly<Record<string, Value>>])[]): string {
  return sections
    .map(([name, values]) => {
      const lines = Object.entries(values).flatMap(([key, value]) =>
        value === undefined ? [] : [value].flat().map((one) => `${key}=${one}\n`),
      )
      return `[${name}]\n${lines.join('')}`
    })
    .join('\n')
}

type Value = string | number | readonly (string | number)[] | undefined
