// `capture`: packets as lines of text, bounded in number and time.
import { interfaceName, number } from '../argument-types.ts'
import { argument, type Command, rest, type Shell, show, word } from '../shell.ts'

const usualCount = '100'
const usualSeconds = '60'

const matching = word('matching', 'Only what a filter lets through, as the last words: udp port 500', {
  next: [
    rest(
      'filter',
      'tcpdump filter',
      () => ({
        choices: [],
        free: { text: '<filter>', help: 'a filter as tcpdump has them: host 192.0.2.1 and udp port 4500' },
        ends: true,
      }),
      capturing,
    ),
  ],
})

export const capture: Command = word('capture', 'Show packets', {
  next: [
    argument('interface', interfaceName, 'On which interface; any is all of them', {
      options: [
        word('count', 'How many', {
          next: [argument('count', number('packets', 1, 10_000), `Packets; ${usualCount} unless said`)],
        }),
        word('seconds', 'How long', {
          next: [argument('seconds', number('seconds', 1, 3600), `Seconds; ${usualSeconds} unless said`)],
        }),
        word('verbose', 'More of each packet', {}),
        matching,
      ],
      run: capturing,
    }),
  ],
})

async function capturing(
  shell: Shell,
  values: Readonly<Record<string, string>>,
  filter: readonly string[] = [],
): Promise<void> {
  const { count = usualCount, seconds = usualSeconds, verbose } = values
  const args = ['-n', '-l', '-i', values.interface!, '-c', count, ...(verbose === undefined ? [] : ['-v'])]
  await shell.terminal.say(`at most ${count} packets or ${seconds} s; Ctrl-C ends it`)
  await show(shell, 'tcpdump', [...args, '--', ...filter], Number(seconds) * 1000)
}
