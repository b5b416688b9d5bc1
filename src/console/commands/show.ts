// `show`: what is up, what is configured, what the board is.
import { withoutSecrets } from '../../config/document.ts'
import type { Status } from '../../control/protocol.ts'
import { interfaceName, number, text } from '../argument-types.ts'
import { selfTest, showSelfTest } from '../self-test.ts'
import { argument, type Command, CommandFailed, pageOf, type Shell, show as stream, textOf, word } from '../shell.ts'
import { saTable, sessionTable, tunnelTable } from '../status-tables.ts'
import { facts, table } from '../table.ts'

export const show: Command = word('show', 'Show what is up, configured and built in', {
  next: [
    word('status', 'The gateway in a few lines', {
      run: page(async (shell) => statusText(await shell.device.status())),
    }),
    word('sessions', 'Who is connected', { run: page(sessions) }),
    word('tunnels', 'L2TP tunnels', { run: page(tunnels) }),
    word('ike', 'ISAKMP SAs and their ESP pairs', { run: page(ike) }),
    word('engines', 'Crypto engines of this board', { run: engines }),
    word('interfaces', 'Network interfaces and their addresses', {
      run: (shell) => pageOf(shell, 'ip', ['-brief', 'address']),
      next: [argument('interface', interfaceName, 'One interface, with its counters', { run: oneInterface })],
    }),
    word('routes', 'The routing table', { run: (shell) => pageOf(shell, 'ip', ['route']) }),
    word('log', 'What happened last', {
      run: (shell) => log(shell, '100'),
      next: [
        argument('lines', number('lines', 1, 10_000), 'How many lines', {
          run: (shell, { lines }) => log(shell, lines!),
        }),
        word('follow', 'What happens, as it does; Ctrl-C ends it', { run: follow }),
        word('match', 'Only lines with a text', {
          next: [
            argument('text', text('text', /./, 'a text'), 'The text', {
              run: (shell, { text }) => log(shell, '10000', text),
            }),
          ],
        }),
      ],
    }),
    word('configuration', 'The configuration in use, without its secrets', { run: page(configuration) }),
    word('history', 'Earlier configurations', {
      run: page(history),
      next: [
        argument('revision', number('number', 0, 999), 'One of them, without its secrets', {
          run: (shell, { revision }) =>
            shell.terminal.page(withoutSecrets(earlier(shell, Number(revision))), shell.signal),
        }),
      ],
    }),
    word('version', 'Firmware and its parts', { run: page(async (shell) => facts(await shell.device.versionFacts())) }),
    word('board', 'The board, its addresses and its host key', {
      run: page(async (shell) => facts(await shell.device.boardFacts())),
    }),
    word('self-test', 'Whether everything works', {
      run: page(async (shell) => showSelfTest(await selfTest(shell.device))),
    }),
    word('counters', 'Events and packets since the start', { run: page(counters) }),
  ],
})

/** A command whose whole text is there before it is shown. */
function page(make: (shell: Shell) => Promise<string> | string): NonNullable<Command['run']> {
  return async (shell) => shell.terminal.page(await make(shell), shell.signal)
}

export function statusText({
  hostname,
  dataplane,
  description,
  since,
  pool,
  sessions,
  tunnels,
  ikeSas,
}: Status): string {
  return facts([
    ['hostname', hostname],
    ['data-plane', `${dataplane} (${description})`],
    ['up-since', since],
    ['pool', `${pool.used} of ${pool.size} addresses in use`],
    ['sessions', String(sessions.length)],
    ['tunnels', String(tunnels.length)],
    ['isakmp-sas', String(ikeSas.length)],
  ])
}

export async function sessions({ device }: Shell): Promise<string> {
  return sessionTable((await device.status()).sessions)
}

export async function ike({ device }: Shell): Promise<string> {
  return saTable((await device.status()).ikeSas)
}

export async function tunnels({ device }: Shell): Promise<string> {
  return tunnelTable((await device.status()).tunnels)
}

export async function counters({ device }: Shell): Promise<string> {
  const { events, counters } = await device.status()
  const lines = [...Object.entries(events), ...Object.entries(counters)].map(
    ([name, value]) => [name, String(value)] as const,
  )
  return lines.length === 0 ? 'nothing was counted yet' : facts(lines)
}

async function engines(shell: Shell): Promise<void> {
  const { code, text } = await shell.device.gatehouse(['engines'], { signal: shell.signal })
  if (code !== 0) throw new CommandFailed(text.trim())
  await shell.terminal.page(text, shell.signal)
}

async function oneInterface(shell: Shell, values: Readonly<Record<string, string>>): Promise<void> {
  const text = await textOf(shell, 'ip', ['-statistics', 'address', 'show', 'dev', values.interface!])
  await shell.terminal.page(text, shell.signal)
}

const journal = ['--no-pager', '--output=short-iso', '--quiet']

/** The gateway's log and the console's; `match` is a plain text. */
async function log(shell: Shell, lines: string, match?: string): Promise<void> {
  const args = [...journal, '--unit=gatehouse*', `--lines=${lines}`]
  const text = await textOf(shell, 'journalctl', args)
  const shown =
    match === undefined
      ? text
      : text
          .split('\n')
          .filter((line) => line.includes(match))
          .join('\n')
  await shell.terminal.page(shown === '' ? 'nothing' : shown, shell.signal)
}

async function follow(shell: Shell): Promise<void> {
  await stream(shell, 'journalctl', [...journal, '--unit=gatehouse*', '--lines=10', '--follow'], 86_400_000)
}

function configuration({ archive }: Shell): string {
  const text = archive.current()
  if (text === undefined) return 'there is no configuration yet: "setup" asks for one'
  return withoutSecrets(text) || 'the configuration is empty'
}

/** The configuration `back` commits ago; 0: the one in use. */
export function earlier({ archive }: Shell, back: number): string {
  const revision = back === 0 ? undefined : archive.revisions()[indexOf(archive, back)]
  const text = back === 0 ? archive.current() : revision && archive.textOf(revision.number)
  if (text === undefined)
    throw new CommandFailed(`there is no configuration ${back} commits ago: show history lists them`)
  return text
}

/** The newest revision is the one in use, unless the file was changed by somebody else. */
function indexOf(archive: Shell['archive'], back: number): number {
  const [newest] = archive.revisions()
  return newest && archive.textOf(newest.number) === archive.current() ? back : back - 1
}

function history({ archive }: Shell): string {
  const all = archive.revisions()
  if (all.length === 0) return 'no commit was made yet'
  const first = indexOf(archive, 0) === 0 ? 0 : 1
  return table(
    [
      ['BACK', ({ i }) => String(i + first)],
      ['AT', ({ at }) => at],
      ['WHO', ({ who }) => who],
      ['COMMENT', ({ comment }) => comment],
    ],
    all.map((revision, i) => ({ ...revision, i })),
  )
}
