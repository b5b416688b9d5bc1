// `gatehouse update`: new firmware on a device. RAUC verifies and writes; here stands what comes after: a firmware on trial stays only if a tunnel
// comes up through it, else the board goes back to the one before, by itself.
//
//   install FILE   signature, board → the other slot is written → it is tried first at the next start, and is on trial
//   health         run at every start: on trial → prove a tunnel → good, or bad and back; otherwise this slot is noted as good
//   status         the slots
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { ControlError, openControl } from '../control/client.ts'
import { command, parse, UsageError } from './arguments.ts'
import { loadConfiguration } from './load.ts'
import { prove } from './proof.ts'

const slotsProgram = '/usr/lib/gatehouse/slots'
/** A gateway that doesn't accept clients by then is not healthy. A slow board needs half a minute. */
const patienceSeconds = 120
/** The proof once more after a failure that something passing may have caused. */
const tries = 2

const usage = 'gatehouse update install FILE | status | health'

export function run(args: readonly string[]): Promise<number> {
  return command('update', async () => {
    const [what, ...rest] = args
    if (what === 'install') return install(rest)
    if (what === 'status') return passOn('rauc', ['status', '--detailed'])
    if (what === 'health') return health(rest)
    throw new UsageError(`${usage}: ${JSON.stringify(what ?? '')} is none of them`)
  })
}

async function install(args: string[]): Promise<number> {
  const { positionals } = parse({ args, options: {}, allowPositionals: true })
  const [bundle] = positionals
  if (bundle === undefined || positionals.length > 1)
    throw new UsageError('one bundle is needed: gatehouse update install FILE')
  const remote = /^https?:\/\//.test(bundle)
  if (!remote && !existsSync(bundle)) throw new Error(`${bundle}: there is no such file; a bundle (.raucb) is needed`)
  const code = await passOn('rauc', ['install', bundle])
  if (code === 0)
    process.stdout.write(
      'installed in the other slot, where it is on trial: the next start is with it, and it stays if a tunnel comes up through it\n',
    )
  else process.stderr.write('not installed; the firmware that runs is untouched\n')
  return code === 0 ? 0 : 1
}

async function health(args: string[]): Promise<number> {
  const { values } = parse({
    args,
    options: {
      config: { type: 'string', default: '/config/gatehouse.yaml' },
      state: { type: 'string', default: '/run/gatehouse' },
    },
  })
  slots('repair')
  const booted = slots('booted')
  const trial = slots('trial')
  if (booted !== 'A' && booted !== 'B')
    throw new Error('the boot loader named no slot on the kernel command line: is this a device?')
  if (trial !== '' && trial !== booted) {
    slots('set-state', trial, 'bad')
    say(`the firmware in slot ${trial} did not come up; slot ${booted} runs again`)
  }
  if (trial !== booted) {
    slots('set-state', booted, 'good')
    say(`slot ${booted} is up`)
    return 0
  }
  const fault = await faultOf(values.config, values.state)
  if (fault === undefined) {
    slots('set-state', booted, 'good')
    say(`the firmware in slot ${booted} passed its trial: a tunnel came up; it stays`)
    return 0
  }
  slots('set-state', booted, 'bad')
  say(`the firmware in slot ${booted} failed its trial (${fault}); the board goes back to the other slot`)
  spawnSync('systemctl', ['reboot'], { stdio: 'inherit' })
  return 1
}

/** Why no tunnel comes up through this firmware; undefined where one does. A board without a configuration proves itself with one of the proof's own. */
async function faultOf(config: string, state: string): Promise<string | undefined> {
  if (!existsSync(config)) return unconfigured()
  const outcome = loadConfiguration(config)
  if (outcome.is === 'faulty')
    return `it does not take the configuration that was in force: ${outcome.faults[0]?.message ?? ''}`
  const deadline = Date.now() + patienceSeconds * 1000
  let serving = false
  while (!serving) {
    const sessions = await sessionsOf(state)
    if (sessions !== undefined && sessions > 0) return undefined
    serving = sessions !== undefined
    if (!serving && Date.now() > deadline) return `the gateway did not accept clients within ${patienceSeconds} s`
    if (!serving) await sleep(500)
  }
  let transcript = ''
  for (let attempt = 0; attempt < tries; attempt++) {
    const proof = await prove(outcome.configuration, () => undefined)
    if (proof.passed) return undefined
    transcript = proof.transcript
    // The proof's client may be impossible (no user with a password) where real ones are not.
    if (((await sessionsOf(state)) ?? 0) > 0) return undefined
  }
  return `no tunnel came up: ${transcript.trim().split('\n').at(-1) ?? 'nothing was said'}`
}

function unconfigured(): string | undefined {
  const folder = '/run/gatehouse-health'
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { mode: 0o700 })
  const args = ['start', '--demonstration', '--config', `${folder}/gatehouse.yaml`, '--state', `${folder}/state`]
  const { status, stdout, stderr } = spawnSync('/usr/bin/gatehouse', args, {
    encoding: 'utf8',
    timeout: patienceSeconds * 1000,
  })
  rmSync(folder, { recursive: true, force: true })
  if (status === 0) return undefined
  return `no tunnel came up on a board without a configuration: ${`${stdout}${stderr}`.trim().split('\n').at(-1) ?? ''}`
}

/** How many sessions are up; undefined where no gateway answers. */
async function sessionsOf(state: string): Promise<number | undefined> {
  try {
    const control = await openControl(state)
    const { sessions } = await control.status()
    control.close()
    return sessions.length
  } catch (error) {
    if (error instanceof ControlError) return undefined
    throw error
  }
}

function slots(...words: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(slotsProgram, words, { encoding: 'utf8' })
  if (error) throw new Error(`${slotsProgram}: ${error.message}; updates are for devices, this machine is none`)
  if (status !== 0) throw new Error(`${slotsProgram} ${words.join(' ')}: ${stderr.trim()}`)
  return stdout.trim()
}

/** Runs a program with our own terminal; answers its code. */
function passOn(program: string, args: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: 'inherit' })
    child.on('error', (error) =>
      reject(new Error(`${program} does not start (${error.message}); updates are for devices`)),
    )
    child.on('close', (code) => resolve(code ?? 1))
  })
}

function say(sentence: string): void {
  process.stdout.write(`${sentence}\n`)
}
