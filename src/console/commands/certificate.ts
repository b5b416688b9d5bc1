// `certificate`: the gateway's own authority, which the wizard made: certificates for more machines, shown as text, and revoked. `gatehouse pki` does it.
import { join } from 'node:path'
import { issuedName, number, text } from '../argument-types.ts'
import { certificateFolder, issuedNames, makeMs } from '../certificates.ts'
import { argument, type Command, CommandFailed, type Shell, show, word } from '../shell.ts'

type Values = Readonly<Record<string, string>>

const freshName = text(
  'name',
  /^[\w@][\w@.-]{0,63}$/,
  'a name of letters, digits, dots, hyphens and @, such as alice-laptop,',
)

export const certificate: Command = word('certificate', "Certificates of the gateway's own authority", {
  next: [
    word('authority', 'Show its certificate, which other systems must trust', { run: authority }),
    word('issue', 'Make one for a client, and show it with its password', {
      next: [
        argument('name', freshName, 'Whose machine it is for', {
          options: [
            word('days', 'How long it is good; as long as the authority unless said', {
              next: [argument('days', number('days', 1, 9125), 'Days')],
            }),
          ],
          run: issue,
        }),
      ],
    }),
    word('list', 'What was issued, until when, what was revoked', { run: (shell) => pki(shell, ['list']) }),
    word('revoke', 'Let a machine in no more', {
      next: [argument('name', issuedName, 'Its name, or the serial number of one certificate', { run: revoke })],
    }),
    word('show', "Show a client's again, without its password", {
      next: [argument('name', issuedName, 'Whose', { run: (shell, { name }) => pki(shell, ['show', name!]) })],
    }),
  ],
})

/** Runs a verb of `gatehouse pki` on the authority's folder. Throws CommandFailed where there is none, or where it says no. */
async function pki(shell: Shell, args: readonly string[]): Promise<void> {
  const folder = certificateFolder(shell.device)
  if (shell.device.disk.read(join(folder, 'ca.key')) === undefined)
    throw new CommandFailed('this gateway has no authority of its own; "setup" and its answer "certificates" make one')
  await show(shell, 'gatehouse', ['pki', ...args, '--dir', folder], makeMs)
}

async function authority(shell: Shell): Promise<void> {
  const pem = shell.device.disk.read(join(certificateFolder(shell.device), 'ca.pem'))
  if (pem === undefined)
    throw new CommandFailed('this gateway has no authority of its own; "setup" and its answer "certificates" make one')
  for (const line of pem.trimEnd().split('\n')) await shell.terminal.say(line)
}

async function issue(shell: Shell, { name, days }: Values): Promise<void> {
  await pki(shell, ['client', name!, '--text', ...(days === undefined ? [] : ['--days', days])])
}

/** The gateway reads the new list at once. A session that is up has proved itself: it goes on until its keys are renewed, unless it is ended. */
async function revoke(shell: Shell, { name }: Values): Promise<void> {
  const { device, terminal } = shell
  const wanted = issuedNames(device).find((one) => (one.name === name || one.serial === name) && !one.revoked)
  if (wanted?.kind === 'gateway')
    throw new CommandFailed(`${name} is this gateway itself: without its certificate nobody would get in`)
  await pki(shell, ['revoke', name!])
  const running = await device.status().then(
    () => true,
    () => false,
  )
  if (running) await terminal.say(await device.reload())
  await terminal.say('a session that is up goes on until its keys are renewed; "disconnect" ends it now')
}
