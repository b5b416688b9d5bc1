// `ping`: is somebody there.
import { address, host, number } from '../argument-types.ts'
import { argument, type Command, show, word } from '../shell.ts'

export const ping: Command = word('ping', 'Send echo requests', {
  next: [
    argument('host', host, 'Whom', {
      options: [
        word('count', 'How many', { next: [argument('count', number('count', 1, 10_000), 'Requests; 5 unless said')] }),
        word('size', 'How large', {
          next: [argument('size', number('octets', 0, 65_507), 'Octets of data; 56 unless said')],
        }),
        word('source', 'From which address', { next: [argument('source', address, 'One of our own')] }),
        word('unfragmented', 'Forbid fragmenting, to find the path MTU', {}),
      ],
      run: async (shell, { host, count = '5', size, source, unfragmented }) => {
        const args = ['-n', '-c', count, ...(size ? ['-s', size] : []), ...(source ? ['-I', source] : [])]
        if (unfragmented !== undefined) args.push('-M', 'do')
        await show(shell, 'ping', [...args, '--', host!], (Number(count) + 30) * 1000)
      },
    }),
  ],
})
