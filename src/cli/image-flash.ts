// `gatehouse image flash`: an image onto a card or stick, with progress on a terminal. Exit codes: 0 written and read back; 1 refused, or it failed;
// 2 the command line is wrong; 130 interrupted.
import process from 'node:process'
import { createInterface } from 'node:readline/promises'
import { parse, UsageError } from './arguments.ts'

const usage = `gatehouse image flash --board NAME --to DEVICE [options]
  --to DEVICE         a whole disk such as /dev/sdb or /dev/mmcblk0; all there is on it goes
  --list              the disks of this machine, and why one is refused
  --image FILE        unless said, the one that "image build" made for the board
  --authority FILE    certificate of whose signatures count; unless said, the development authority of this checkout
  --resume            goes on with a copy that was interrupted
  --yes               doesn't ask
  --file              DEVICE is a regular file
`

const options = {
  board: { type: 'string' },
  to: { type: 'string' },
  image: { type: 'string' },
  authority: { type: 'string', multiple: true },
  list: { type: 'boolean' },
  yes: { type: 'boolean' },
  resume: { type: 'boolean' },
  file: { type: 'boolean' },
  help: { type: 'boolean' },
} as const

type Steps = typeof import('../../images/flash/flash.ts')

/** `cache`: where `image build` puts what it makes. */
export async function flashCommand(args: string[], cache: string): Promise<number> {
  const { values } = parse({ args, options })
  const { authoritiesFrom, flash, listing }: Steps = await import('../../images/flash/flash.ts')
  if (values.help || values.list) {
    process.stdout.write(values.help ? usage : `${listing()}\n`)
    return 0
  }
  const { board, to, image } = values
  if (board === undefined || to === undefined) throw new UsageError(`--board and --to are needed\n\n${usage}`)
  if (!values.yes && !process.stdin.isTTY)
    throw new UsageError('nobody can be asked here whether to overwrite it: --yes agrees')
  const authorities = authoritiesFrom(values.authority ?? [], `${cache}/development-keys/authority.pem`)
  const request = {
    board,
    to,
    image,
    folder: `${cache}/${board}`,
    authorities,
    file: values.file ?? false,
    resume: values.resume ?? false,
  }
  const interrupted = new AbortController()
  process.on('SIGINT', () => interrupted.abort())
  process.on('SIGTERM', () => interrupted.abort())
  const draw = drawing()
  const say = (line: string) => {
    draw.end()
    process.stderr.write(`flash: ${line}\n`)
  }
  const agree = (question: string, disk: string) =>
    values.yes ? Promise.resolve(true) : asked(question, disk, interrupted.signal)
  try {
    await flash(request, { say, progress: draw.show, agree, signal: interrupted.signal, now: () => new Date() })
    return 0
  } catch (error) {
    draw.end()
    if (!interrupted.signal.aborted) throw error
    process.stderr.write(`gatehouse image flash: ${(error as Error).message}\n`)
    return 130
  } finally {
    draw.end()
  }
}

async function asked(question: string, disk: string, signal: AbortSignal): Promise<boolean> {
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return (await lines.question(`${question}. Type ${disk} to go on: `, { signal })).trim() === disk
  } catch {
    return false
  } finally {
    lines.close()
  }
}

/** One line on a terminal, redrawn at most ten times a second: share, rate, time left. Elsewhere a line a phase. */
function drawing() {
  let what = ''
  let since = 0
  let base = 0
  let last = 0
  let open = false
  return {
    show(phase: string, done: number, of: number): void {
      const now = performance.now()
      if (phase !== what) {
        if (open) process.stderr.write('\n')
        open = false
        ;[what, since, base, last] = [phase, now, done, 0]
        if (!process.stderr.isTTY) process.stderr.write(`flash: ${phase}, ${Math.round(of / 1e6)} MB\n`)
      }
      if (!process.stderr.isTTY || (now - last < 100 && done < of)) return
      last = now
      const rate = (done - base) / Math.max(now - since, 1)
      const left = rate > 0 ? `${Math.ceil((of - done) / rate / 1000)} s left` : ''
      process.stderr.write(
        `\r\x1b[K${phase}: ${Math.floor((done / of) * 100)} %, ${(rate / 1000).toFixed(1)} MB/s, ${left}`,
      )
      open = true
    },
    end(): void {
      if (open) process.stderr.write('\n')
      open = false
    },
  }
}
