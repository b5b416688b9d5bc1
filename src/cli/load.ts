// A configuration from a file, for `up`, `start` and `check`: faults as `FILE:LINE:COLUMN: WHERE: MESSAGE`.
import { readFileSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { Fault } from '../config/configuration.ts'
import { type Outcome, parseConfiguration } from '../config/parse.ts'
import type { BoardPorts } from '../config/system.ts'

/** Reads and parses; `board` are the ports that `system:` may name. A file that can't be read is an Error that says so. */
export function loadConfiguration(file: string, board?: BoardPorts): Outcome {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    const why =
      code === 'ENOENT'
        ? 'there is no such file'
        : code === 'EACCES'
          ? 'it may not be read by this user'
          : (error as Error).message
    throw new Error(`${file}: ${why}; a configuration file is needed (README: the least that makes a gateway)`)
  }
  return parseConfiguration(text, (path) => readFileSync(resolve(dirname(file), path), 'utf8'), board)
}

export function showFault(file: string, { severity, line, column, where, message }: Fault): string {
  return `${file}:${line}:${column}: ${severity === 'warning' ? 'warning: ' : ''}${where === '' ? '' : `${where}: `}${message}`
}

/** A warning where others may read a file that holds secrets. */
export function permissionWarning(file: string): string | undefined {
  const mode = statSync(file).mode
  return (mode & 0o007) === 0
    ? undefined
    : `${file}: warning: everybody on this machine may read it, and it holds secrets; mode 0600 is right`
}
