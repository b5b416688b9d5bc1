// `traceroute`: which way packets go.
import { address, host, number } from '../argument-types.ts'
import { argument, type Command, show, word } from '../shell.ts'

export const traceroute: Command = word('traceroute', 'Show the way to a host', {
  next: [
    argument('host', host, 'To whom', {
      options: [
        word('source', 'From which address', { next: [argument('source', address, 'One of our own')] }),
        word('hops', 'How far', { next: [argument('hops', number('hops', 1, 255), 'Hops at most; 30 unless said')] }),
      ],
      run: (shell, { host, source, hops = '30' }) =>
        show(shell, 'traceroute', ['-n', '-m', hops, ...(source ? ['-s', source] : []), '--', host!], 300_000),
    }),
  ],
})
