// Command lines: node:util's parser, with its complaints turned into one line and exit code 2.
import process from 'node:process'
import { type ParseArgsConfig, parseArgs } from 'node:util'

/** A command line that can't be taken; `message` says what would be right. */
export class UsageError extends Error {}

/** Parses, or throws a UsageError. */
export function parse<C extends ParseArgsConfig>(config: C): ReturnType<typeof parseArgs<C>> {
  try {
    return parseArgs(config)
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

/** Runs a command's body; a UsageError becomes a line on stderr and exit code 2, a failure of the world a line and 1. */
export async function command(name: string, body: () => Promise<number>): Promise<number> {
  try {
    return await body()
  } catch (error) {
    process.stderr.write(`gatehouse ${name}: ${(error as Error).message}\n`)
    if (error instanceof UsageError) return 2
    if (process.env.GATEHOUSE_DEBUG) process.stderr.write(`${(error as Error).stack}\n`)
    return 1
  }
}

/** Where the daemon keeps its socket and journal unless told otherwise. */
export function stateFolder(given: string | undefined): string {
  return given ?? process.env.GATEHOUSE_STATE ?? '/var/lib/gatehouse'
}
