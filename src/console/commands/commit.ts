// `check`, `commit`, `confirm`, `rollback`, `discard`: from the candidate to the configuration in use, and back.
import { number, text } from '../argument-types.ts'
import { commit as commitNow, confirm as confirmNow, defaultMinutes, judge, mostMinutes, showFault } from '../commit.ts'
import { rollBack } from '../roll-back.ts'
import { argument, type Command, CommandFailed, type Shell, word } from '../shell.ts'
import { earlier } from './show.ts'

type Values = Readonly<Record<string, string>>

export const check: Command = word('check', 'Judge the candidate', {
  run: async (shell) => {
    const judgement = judge(shell.candidate.text, shell.device)
    const found = judgement.is === 'faulty' ? judgement.faults : judgement.warnings
    if (found.length > 0) await shell.terminal.page(found.map(showFault).join('\n'), shell.signal)
    if (judgement.is === 'faulty')
      throw new CommandFailed(`the candidate is faulty: ${found.length} ${found.length === 1 ? 'fault' : 'faults'}`)
    await shell.terminal.say('the candidate is valid')
  },
})

const comment = word('comment', 'Say what for, in quotes', {
  next: [argument('comment', text('text', /^\P{Cc}{1,200}$/u, 'at most 200 characters'), 'What for')],
})

export const commit: Command = word('commit', 'Take the candidate into use', {
  run: (shell, values) => take(shell, undefined, values),
  next: [
    word('confirmed', 'It goes back by itself unless "confirm" comes', {
      run: (shell, values) => take(shell, defaultMinutes, values),
      next: [
        argument('minutes', number('minutes', 1, mostMinutes), `Minutes; ${defaultMinutes} unless said`, {
          run: (shell, values) => take(shell, Number(values.minutes), values),
          options: [comment],
        }),
      ],
      options: [comment],
    }),
    word('cancel', 'Go back at once from a commit that waits for its confirmation', { run: cancel }),
  ],
  options: [comment],
})

async function take(shell: Shell, minutes: number | undefined, { comment }: Values): Promise<void> {
  const { device, archive, candidate, terminal, user } = shell
  const text = candidate.text
  if (archive.current() === undefined && text === '')
    throw new CommandFailed('the candidate is empty; "setup", "load" or "set" fills it')
  const request = { text, who: `${user} on the console`, comment: comment ?? '', minutes }
  const said = await commitNow(device, archive, request)
  candidate.discard()
  for (const sentence of said) await terminal.say(sentence)
  if (minutes !== undefined)
    await terminal.say(
      `it goes back by itself in ${minutes} ${minutes === 1 ? 'minute' : 'minutes'}, or when the board starts again, unless "confirm" comes`,
    )
}

async function cancel({ device, archive, terminal }: Shell): Promise<void> {
  const said = archive.pending() && (await rollBack(device, archive, 'it was cancelled'))
  if (said === undefined) throw new CommandFailed('no commit waits for a confirmation')
  await terminal.say(said)
}

export const confirm: Command = word('confirm', 'Keep the commit that waits', {
  run: async ({ archive, terminal }) => {
    confirmNow(archive)
    await terminal.say('confirmed: the configuration stays')
  },
})

export const rollback: Command = word('rollback', 'Fetch an earlier configuration into the candidate', {
  next: [
    argument(
      'back',
      number('number', 0, 999),
      'How many commits back: "show history" lists them; 0 is the one in use',
      {
        run: async (shell, { back }) => {
          shell.candidate.set(earlier(shell, Number(back)))
          await shell.terminal.say(
            'it is the candidate now: "compare" shows what it changes, "commit" takes it into use',
          )
        },
      },
    ),
  ],
})

export const discard: Command = word('discard', 'Drop the changes of the candidate', {
  run: async ({ candidate, terminal }) => {
    candidate.discard()
    await terminal.say('the candidate is the configuration in use')
  },
})
