// The first-boot wizard: asks one question after the other, judges each answer at once, goes back, shows what it would write and writes it by the
// same commit as everything else. Nothing is written before that. Lines of text alone, so it works on any terminal.

import { typable } from '../control/typable.ts'
import type { FirstCertificates } from './certificates.ts'
import { CommitError } from './commit-error.ts'
import type { Shell } from './shell.ts'
import {
  type Answers,
  configurationOf,
  namesOf,
  type Ports,
  type Question,
  questions,
  summaryOf,
} from './wizard-questions.ts'

/** `left`: the command line is wanted; nothing was written. */
export type WizardOutcome = 'written' | 'left'

/** Answers that lead out of it at every question: to the command line, for people and for the provisioner. */
const leaving = ['exit', 'quit', 'provision']

type Answer = { readonly is: 'answer'; readonly text: string } | { readonly is: 'back' | 'leave' }

export async function wizard(shell: Pick<Shell, 'device' | 'archive' | 'terminal' | 'user'>): Promise<WizardOutcome> {
  const { terminal, device, archive } = shell
  if (archive.current() === undefined) await terminal.say('This gateway is not configured yet.')
  await terminal.say(
    'A few questions set it up. "back" goes one question back, "exit" or Ctrl-C to the command line; nothing is written before the end.',
  )
  const start = await ask(
    shell,
    { key: 'start', ask: 'Set it up now: yes or no', choices: ['yes', 'no'], usual: () => 'yes' },
    {},
    [],
  )
  if (start.is !== 'answer' || start.text === 'no') return left(shell)
  await device.portsNamed()
  const ports = device.interfaces()
  let answers: Answers = {}
  for (;;) {
    const all = await askAll(shell, answers, ports)
    if (all === undefined) return left(shell)
    answers = all
    for (const line of summaryOf(answers)) await terminal.say(line)
    const question: Question = {
      key: 'write',
      ask: 'Write this and take it into use: yes, or back',
      choices: ['yes'],
      usual: () => 'yes',
    }
    const sure = await ask(shell, question, answers, ports)
    if (sure.is === 'leave') return left(shell)
    if (sure.is === 'back') continue
    if (await written(shell, answers, ports)) return 'written'
  }
}

async function left({ terminal, archive }: Pick<Shell, 'terminal' | 'archive'>): Promise<WizardOutcome> {
  await terminal.say(
    `Nothing was written. "setup" asks again${archive.current() === undefined ? '; "configure" edits by hand' : ''}.`,
  )
  return 'left'
}

/** All answers; `before` are offered as usual ones, from the last question on when it is not empty. Undefined: left. */
async function askAll(shell: Pick<Shell, 'terminal'>, before: Answers, ports: Ports): Promise<Answers | undefined> {
  const answers: Record<string, string> = { ...before }
  const asked = (i: number) => questions[i]!.when?.(answers, ports) ?? true
  let i = Object.keys(before).length > 0 ? questions.length - 1 : 0
  while (i < questions.length) {
    const question = questions[i]!
    if (!asked(i)) {
      i++
      continue
    }
    const answer = await ask(shell, question, answers, ports)
    if (answer.is === 'leave') return undefined
    if (answer.is === 'answer') {
      answers[question.key] = answer.text
      i++
    } else {
      do i = Math.max(i - 1, 0)
      while (i > 0 && !asked(i))
    }
  }
  // What was answered on a way that was left again doesn't count.
  return Object.fromEntries(questions.flatMap(({ key }, n) => (asked(n) ? [[key, answers[key]!]] : [])))
}

/** Asks until an answer fits. */
async function ask(
  { terminal }: Pick<Shell, 'terminal'>,
  question: Question,
  answers: Answers,
  ports: Ports,
): Promise<Answer> {
  const { key, fault, choices, hidden = false } = question
  const usual = hidden ? question.usual?.(answers, ports) : (answers[key] ?? question.usual?.(answers, ports))
  const text = typeof question.ask === 'string' ? question.ask : question.ask(answers)
  for (;;) {
    const asked = await terminal.ask(`${text} [${hidden ? '' : (usual ?? '')}]: `, { hidden })
    if (asked.is !== 'line') return { is: 'leave' }
    const typed = hidden ? asked.text : asked.text.trim()
    if (typed === 'back') return { is: 'back' }
    if (leaving.includes(typed)) return { is: 'leave' }
    if (typed === '' && usual === undefined) {
      await terminal.say('an answer is needed; "back" and "exit" are others')
      continue
    }
    const meant =
      typed === '' ? usual! : choices ? choices.filter((choice) => choice.startsWith(typed.toLowerCase())) : typed
    const chosen = typeof meant === 'string' ? meant : meant.length === 1 ? meant[0]! : undefined
    const wrong = chosen === undefined ? `${choices!.join(', ')} is right` : fault?.(chosen, answers)
    if (wrong === undefined) return { is: 'answer', text: chosen! }
    await terminal.say(wrong)
  }
}

/** Makes the configuration and commits it; false, with the reason on the screen, where that fails: then nothing of it stays. */
async function written(
  shell: Pick<Shell, 'device' | 'archive' | 'terminal' | 'user'>,
  answers: Answers,
  ports: Ports,
): Promise<boolean> {
  const { device, archive, terminal, user } = shell
  const whole: Answers = {
    ...answers,
    key: answers.key ?? typable(6),
    userPassword: answers.userPassword || typable(4),
  }
  const certified = answers.keyKind === 'certificates'
  await terminal.say(certified ? 'working: making keys and certificates ...' : 'working ...')
  let made: FirstCertificates | undefined
  try {
    // Loaded here: a fresh board may wait for its first answer for a long time, with little memory.
    const { commit } = await import('./commit.ts')
    const { certificateFolder, firstCertificates } = await import('./certificates.ts')
    if (certified) made = await firstCertificates(shell, namesOf(whole.dialled!), whole.user!)
    const text = await configurationOf(whole, ports, certificateFolder(device))
    const said = await commit(device, archive, {
      text,
      who: `${user} on the console`,
      comment: 'first questions',
      minutes: undefined,
    })
    for (const sentence of said) await terminal.say(sentence)
  } catch (error) {
    made?.undo()
    if (!(error instanceof CommitError)) throw error
    await terminal.say(error.message)
    return false
  }
  const generated = answers.userPassword ? 'the password that was typed' : `the password ${whole.userPassword}`
  if (!made) {
    await terminal.say(`Done. The clients' pre-shared key is ${whole.key}`)
    await terminal.say(`and the first user is ${whole.user} with ${generated}.`)
    return true
  }
  await terminal.say(
    `Done. Clients dial ${namesOf(whole.dialled!).join(' or ')}, each with a certificate, a user name and a password;`,
  )
  await terminal.say(`the first user is ${whole.user} with ${generated}. The certificate of ${made.client}:`)
  for (const line of made.text) await terminal.say(line)
  await terminal.say(
    `"certificate show ${made.client}" shows it again, "certificate issue NAME" makes one for another machine.`,
  )
  return true
}
