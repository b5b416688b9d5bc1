// `tech-support`: all that somebody far away needs to see, in one text, with every secret struck out: keys by their names, and whatever text of the
// configuration is a secret wherever it turns up.

import { join } from 'node:path'
import { secretsOf, withoutSecrets } from '../../config/document.ts'
import { selfTest, showSelfTest } from '../self-test.ts'
import { type Command, type Shell, word } from '../shell.ts'
import { facts } from '../table.ts'
import { counters, ike, sessions, statusText, tunnels } from './show.ts'

export const techSupport: Command = word('tech-support', 'Everything a supporter needs, secrets removed', {
  run: async (shell) => {
    const file = join(shell.device.state, 'tech-support.txt')
    const text = await collect(shell)
    shell.device.disk.makeFolder(shell.device.state)
    shell.device.disk.write(file, text, 'owner')
    await shell.terminal.say(`${Buffer.byteLength(text)} octets in ${file}; "tech-support print" shows it here`)
  },
  next: [
    word('print', 'On this screen', { run: async (shell) => shell.terminal.page(await collect(shell), shell.signal) }),
  ],
})

type Part = readonly [title: string, make: (shell: Shell) => Promise<string> | string]

const program = (name: string, ...args: readonly string[]): Part => [
  [name, ...args].join(' '),
  async ({ device, signal }) => (await device.run(name, args, { signal, timeoutMs: 20_000 })).text,
]

const parts: readonly Part[] = [
  ['version', async ({ device }) => facts(await device.versionFacts())],
  ['board', async ({ device }) => facts(await device.boardFacts())],
  ['self-test', async ({ device }) => showSelfTest(await selfTest(device))],
  ['status', async ({ device }) => statusText(await device.status())],
  ['sessions', sessions],
  ['tunnels', tunnels],
  ['ike', ike],
  ['counters', counters],
  ['configuration', ({ archive }) => withoutSecrets(archive.current() ?? '', { comments: false })],
  [
    'history',
    ({ archive }) =>
      archive
        .revisions()
        .map(({ at, who, comment }) => `${at} ${who}: ${comment}`)
        .join('\n'),
  ],
  ['engines', async ({ device }) => (await device.gatehouse(['engines'])).text],
  program('ip', '-statistics', 'address'),
  program('ip', 'route', 'show', 'table', 'all'),
  program('ip', '-statistics', 'xfrm', 'state', 'list', 'nokeys'),
  program('ip', 'xfrm', 'policy'),
  program('nft', 'list', 'ruleset'),
  program('ss', '-lun'),
  program('free', '-m'),
  program('df', '-h'),
  program('uptime'),
  program('systemctl', 'list-units', '--failed', '--no-pager'),
  program('rauc', 'status'),
  program('dmesg'),
  program('journalctl', '--no-pager', '--output=short-iso', '--boot', '--lines=2000'),
]

/** Texts shorter than this are not looked for: they would strike out half of every page. */
const shortest = 4

async function collect(shell: Shell): Promise<string> {
  const pages: string[] = []
  for (const [title, make] of parts) {
    if (shell.signal.aborted) break
    let text: string
    try {
      text = await make(shell)
    } catch (error) {
      text = `(${(error as Error).message})`
    }
    pages.push(`===== ${title}\n${text.trimEnd()}\n`)
  }
  return strike(pages.join('\n'), secretsOf(shell.archive.current() ?? ''))
}

/** The text without any of the secrets, the longest first: one may be part of another. */
export function strike(text: string, secrets: readonly string[]): string {
  return [...secrets]
    .filter((secret) => secret.length >= shortest)
    .sort((a, b) => b.length - a.length)
    .reduce((rest, secret) => rest.replaceAll(secret, '[secret]'), text)
}
