// `gatehouse check FILE`: every fault with line, column and what would be right. Exit 0 valid (warnings allowed), 2 faulty.
import process from 'node:process'
import { loadBoard, portsOf } from '../system/board.ts'
import { command, parse, UsageError } from './arguments.ts'
import { loadConfiguration, permissionWarning, showFault } from './load.ts'

export function run(args: readonly string[]): Promise<number> {
  return command('check', async () => {
    const { values, positionals } = parse({
      args: [...args],
      allowPositionals: true,
      options: { schema: { type: 'boolean' } },
    })
    if (values.schema) {
      const { jsonSchema } = await import('../config/schema.ts')
      process.stdout.write(`${JSON.stringify(jsonSchema(), null, 2)}\n`)
      return 0
    }
    const [file, ...more] = positionals
    if (file === undefined || more.length > 0)
      throw new UsageError('one configuration file is right: gatehouse check FILE')
    const outcome = loadConfiguration(file, portsOf(await loadBoard()))
    if (outcome.is === 'faulty') {
      for (const fault of outcome.faults) process.stderr.write(`${showFault(file, fault)}\n`)
      return 2
    }
    const { remoteAccess: access, sites } = outcome.configuration
    if (access.certificates || sites.some(({ authentication }) => authentication.certificates)) {
      const { certificatesFault } = await import('../gateway/certificates.ts')
      const fault = certificatesFault(outcome.configuration, Date.now())
      if (fault !== undefined) {
        process.stderr.write(`${file}: certificates: ${fault}\n`)
        return 2
      }
    }
    const open = permissionWarning(file)
    if (open) process.stderr.write(`${open}\n`)
    for (const warning of outcome.warnings) process.stderr.write(`${showFault(file, warning)}\n`)
    const { users, remoteAccess, security } = outcome.configuration
    const size = remoteAccess.pool.reduce((sum, range) => sum + range.last - range.first + 1, 0)
    process.stdout.write(`${file} is valid: security ${security}, ${users.length} users, ${size} addresses\n`)
    return 0
  })
}
