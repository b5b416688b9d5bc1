// `terminal`: what the screen at the other end is, or that a machine is there.
import { number } from '../argument-types.ts'
import { argument, type Command, word } from '../shell.ts'

export const terminal: Command = word('terminal', 'What is at the other end of the line', {
  next: [
    word('machine', 'A program: no echo, completion or paging; every command ends with %ok or %error', {
      run: async (shell) => {
        shell.terminal.machine = true
      },
    }),
    word('person', 'A person: the opposite of machine', {
      run: async (shell) => {
        shell.terminal.machine = false
      },
    }),
    word('length', 'Rows of the screen', {
      next: [
        argument('rows', number('rows', 0, 500), 'Rows; 0: no paging', {
          run: async (shell, { rows }) => {
            shell.terminal.rows = Number(rows) === 0 ? 0 : Math.max(Number(rows), 3)
          },
        }),
      ],
    }),
    word('width', 'Columns of the screen', {
      next: [
        argument('columns', number('columns', 20, 1000), 'Columns', {
          run: async (shell, { columns }) => {
            shell.terminal.columns = Number(columns)
          },
        }),
      ],
    }),
    word('dumb', 'No escape sequences', {
      run: async (shell) => {
        shell.terminal.kind = 'dumb'
      },
    }),
    word('vt100', 'A vt100 or what followed it', {
      run: async (shell) => {
        shell.terminal.kind = 'vt100'
      },
    }),
  ],
})
