// What comes over a serial line: keys for the line editor, lines of `load`, words of commands, sealed bundles.
import { trees } from '../../../src/console/commands/tree.ts'
import { expectedAt } from '../../../src/console/configuration-path.ts'
import { match } from '../../../src/console/grammar.ts'
import { LineEditor } from '../../../src/console/line-editor.ts'
import { LoadReceiver } from '../../../src/console/load-receiver.ts'
import { wordsOf } from '../../../src/console/words.ts'
import { digestOf, loadLines, parseLoadLine, showLoadLine } from '../../../src/control/load-lines.ts'
import { hostKeyOf, makeBoardKey, openSealed, SealError, seal } from '../../../src/control/sealed-bundle.ts'
import { demand, parser, type Target, text, texts } from '../target.ts'

/** Feeds keys, and checks on a model of the screen's line that what is shown is what is edited. */
function keys(kind: 'vt100' | 'dumb', columns: number) {
  const editor = new LineEditor()
  const prompt = 'gw1> '
  for (const line of ['show version', 'ping ::1', 'set users bob password x']) editor.remember(line)
  const begin = () => editor.begin(prompt, { echo: 'full', commands: true, columns, kind })
  let screen: string[] = []
  let column = 0
  const paint = (echo: string, least: number) => {
    const out = [...echo]
    for (let i = 0; i < out.length; i++) {
      if (out[i] === '\b') column--
      else if (out[i] === '\x1b') {
        demand(
          kind === 'vt100' && out.slice(i, i + 3).join('') === '\x1b[K',
          'the only sequence erases to the end of the line',
        )
        screen = screen.slice(0, column)
        i += 2
      } else screen[column++] = out[i]!
      demand(column >= least && column < columns, `the cursor stays on the line: ${column}`)
    }
  }
  const anew = (drawn: string) => {
    screen = []
    column = 0
    paint(drawn, 0)
  }
  anew(begin())
  return (octets: Uint8Array) => {
    const seen = new Set<string>()
    for (const octet of octets) {
      const { echo, event } = editor.feed(octet)
      seen.add(event?.is ?? 'edit')
      paint(echo.replace(/(\^C)?\n$/, ''), prompt.length)
      const shown = screen.join('').slice(prompt.length).trimEnd()
      if (!shown.startsWith('(search'))
        demand(editor.text.includes(shown), `what is shown is part of the line: ${shown}`)
      demand(editor.text.length <= 2 * 4096, 'a line has an end')
      if (event?.is === 'line' || event?.is === 'cancel') {
        demand(event.is === 'cancel' || event.text === editor.text, 'the line is what was edited')
        anew(begin())
      } else if (event?.is === 'redraw') anew(editor.redraw())
    }
    return [...seen].sort().join(' ')
  }
}

const typed = () => [
  ...texts(
    'show version\r',
    'sh ver\t\x7f\x7f?\r',
    'set users bob password "a b"\x01\x0b\x19\r',
    'ping ::1 count 3\x17\x15\x12sh\x12\r',
  ),
  ...texts(
    '\x1b[A\x1b[A\x1b[B\x1b[D\x1b[Dx\x1b[3~\x1bb\x1bf\x1bd\r',
    'a very long line that does not fit on the screen of a terminal with twenty columns\x01x\x05y\r',
  ),
  Uint8Array.from([0xc3, 0xa9, 0xf0, 0x9f, 0x98, 0x80, 0xff, 0x1b, 0x5b, 0x31, 0x3b, 0x00, 0x16, 0x3f, 0x0c, 0x0d]),
]

const file = new TextEncoder().encode('hostname: gw1\nusers: []\n'.repeat(8))
const sha256 = digestOf(file)

/** A receiver of one file: whatever comes, what it takes as whole is that file. */
function receiver() {
  let load = new LoadReceiver(file.length, sha256)
  return (octets: Uint8Array) => {
    const { reply, done } = load.take(text(octets))
    demand(/^%(\?|[+-]\d{1,7})$/.test(reply), `an answer: ${reply}`)
    if (done?.is === 'whole') demand(digestOf(done.file) === sha256, 'what is taken is what was announced')
    if (done) load = new LoadReceiver(file.length, sha256)
    return `${reply.replace(/\d+/, 'n')} ${done?.is ?? ''}`
  }
}

function loadLine(octets: Uint8Array): string {
  const line = parseLoadLine(text(octets))
  if (line.is === 'line') demand(parseLoadLine(showLoadLine(line)).is === 'line', 'a line is shown and read')
  return line.is
}

function commandLine(octets: Uint8Array): string {
  const line = text(octets)
  const { words, open, fresh } = wordsOf(line)
  for (const { at } of words) demand(at >= 0 && at < line.length, 'a word is in its line')
  const found = (['operational', 'configure'] as const).map((mode) => match(trees[mode], words))
  return `${words.length} ${open} ${fresh} ${found.map((one) => (one.is === 'wrong' ? one.message.replace(/".*?"/g, '').slice(0, 40) : 'command')).join(' ')}`
}

const board = makeBoardKey()
const bundle = () => seal(file, hostKeyOf(board))

function sealed(octets: Uint8Array): string {
  try {
    return String(openSealed(octets, board).length)
  } catch (error) {
    if (error instanceof SealError) return error.message
    throw error
  }
}

function completion(octets: Uint8Array): string {
  const words = wordsOf(text(octets)).words.map((word) => word.text)
  const [set, shown] = [false, true].map(
    (existing) => expectedAt(words, 'users: [{ name: bob }]\n', existing).choices.length,
  )
  return `${set} ${shown}`
}

const lines = () =>
  texts(
    'show version',
    'commit confirmed 5 comment "x y"',
    "set users bob password 'a b",
    'capture wan0 matching udp port 500',
    'ping ::1 size 5 count 3',
    'load 5 x',
  )

export const consoleTargets: readonly Target[] = [
  { name: 'line editor, vt100', weight: 4, corpus: typed, episode: 8, begin: () => keys('vt100', 80) },
  { name: 'line editor, dumb and narrow', weight: 4, corpus: typed, episode: 8, begin: () => keys('dumb', 20) },
  { name: 'load receiver', weight: 4, corpus: () => texts(...loadLines(file)), episode: 8, begin: () => receiver() },
  parser('load line', () => texts(...loadLines(file)), loadLine, 4),
  parser('command line', lines, commandLine, 3),
  parser(
    'completion',
    () => texts('set remoteAccess dn', 'delete users b', 'show ', 'set system wan ', 'commit c'),
    completion,
    0.5,
  ),
  parser('sealed bundle', () => [bundle()], sealed, 0.3),
]
