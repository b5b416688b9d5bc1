// `gatehouse image build|flash`: firmware for a board, and its way onto a device. Both are of a checkout on a workstation, not of the device,
// and are loaded on demand.
import process from 'node:process'
import { namedBoard } from '../system/board.ts'
import { command, parse, UsageError } from './arguments.ts'

const usage =
  'gatehouse image build --board NAME [--out DIR] [--key PEM --certificate PEM [--authority PEM]] [--overlay DIR]…\n' +
  'gatehouse image flash --board NAME --to DEVICE; see: gatehouse image flash --help\n'

type Steps = typeof import('../../images/build.ts')

export function run(args: readonly string[]): Promise<number> {
  return command('image', async () => {
    const [what, ...rest] = args
    if (what === 'build') return build(rest)
    if (what === 'flash') return flash(rest)
    if (what === '--help' || what === 'help') {
      process.stdout.write(usage)
      return 0
    }
    throw new UsageError(`image builds or flashes: ${JSON.stringify(what ?? '')} is neither\n${usage.trimEnd()}`)
  })
}

async function flash(args: string[]): Promise<number> {
  const { flashCommand } = await import('./image-flash.ts')
  const { cacheFolder }: Steps = await import('../../images/build.ts')
  return flashCommand(args, cacheFolder)
}

async function build(args: string[]): Promise<number> {
  const { values } = parse({
    args,
    options: {
      board: { type: 'string' },
      out: { type: 'string' },
      key: { type: 'string' },
      certificate: { type: 'string' },
      authority: { type: 'string' },
      overlay: { type: 'string', multiple: true },
    },
  })
  if (values.board === undefined) throw new UsageError('--board NAME is missing: the name of a folder in board/')
  const board = await namedBoard(values.board)
  const { buildImage, cacheFolder }: Steps = await import('../../images/build.ts')
  const out = values.out ?? `${cacheFolder}/${board.name}`
  const { key, certificate, authority } = values
  const say = (line: string) => process.stderr.write(`image: ${line}\n`)
  const built = await buildImage({ board, out, key, certificate, authority, overlays: values.overlay ?? [], say })
  process.stdout.write(`${out}/${built.disk}\n${out}/${built.bundle}\n`)
  return 0
}
