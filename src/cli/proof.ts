// The gateway proves itself once: its own client logs in from a network namespace and pings through. The transcript is shown.
// Needs CAP_NET_ADMIN and CAP_SYS_ADMIN where it runs: root, or an unprivileged user namespace.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Configuration } from '../config/configuration.ts'

/** The two ends of the proof's wire: documentation addresses (RFC 5737), which nobody routes. */
const gatewayEnd = '192.0.2.1'
const clientEnd = '192.0.2.2'
/** All of it takes a few seconds; a gateway that needs longer has failed. */
const patienceSeconds = 40

export type Proof = { readonly passed: boolean; readonly transcript: string }

/** Logs in as the first user that can. The gateway must be ready; what the proof makes is gone afterwards. `show` gets lines as they come. */
export async function prove(configuration: Configuration, show: (line: string) => void): Promise<Proof> {
  const user = configuration.users.find((entry) => entry.enabled && entry.password && entry.hours.length === 0)
  if (!user) return { passed: false, transcript: 'there is no enabled user with a password to log in as' }
  const gatewayDevice = `ghproof${process.pid % 100_000}`
  const holder = spawn('unshare', ['--net', 'sleep', 'infinity'], { stdio: 'ignore' })
  try {
    await once(holder, 'spawn')
    await wire(holder, gatewayDevice)
    return await logIn(holder, configuration, user.name, user.password!.revealText(), show)
  } catch (error) {
    return { passed: false, transcript: (error as Error).message }
  } finally {
    const ended = once(holder, 'exit')
    holder.kill('SIGKILL')
    await ended
    spawnSync('ip', ['link', 'delete', gatewayDevice], { stdio: 'ignore' })
  }
}

/** A veth pair between here and the namespace that `holder` keeps. */
async function wire(holder: ChildProcess, device: string): Promise<void> {
  const pid = String(holder.pid)
  for (let tries = 0; sameNamespace(pid); tries++) {
    if (tries > 100) throw new Error('the network namespace of the proof did not come up')
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  run('ip', ['link', 'add', device, 'type', 'veth', 'peer', 'name', 'outside', 'netns', pid])
  run('ip', ['address', 'add', `${gatewayEnd}/30`, 'dev', device])
  run('ip', ['link', 'set', device, 'up'])
  inside(pid, ['ip', 'address', 'add', `${clientEnd}/30`, 'dev', 'outside'])
  inside(pid, ['ip', 'link', 'set', 'outside', 'up'])
  inside(pid, ['ip', 'link', 'set', 'lo', 'up'])
}

function sameNamespace(pid: string): boolean {
  const read = (process: string) =>
    spawnSync('readlink', [`/proc/${process}/ns/net`], { encoding: 'utf8' }).stdout.trim()
  return read(pid) === '' || read(pid) === read('self')
}

function run(command: string, args: string[]): void {
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${(error?.message ?? stderr).trim()}`)
}

function inside(pid: string, command: string[]): void {
  run('nsenter', ['--target', pid, '--net', ...command])
}

function logIn(
  holder: ChildProcess,
  configuration: Configuration,
  user: string,
  password: string,
  show: (line: string) => void,
): Promise<Proof> {
  const gatehouse = fileURLToPath(new URL('../../gatehouse', import.meta.url))
  const server =
    configuration.ports.ike === 500
      ? gatewayEnd
      : `${gatewayEnd}:${configuration.ports.ike}:${configuration.ports.natt}`
  const child = spawn(
    'nsenter',
    [
      '--target',
      String(holder.pid),
      '--net',
      gatehouse,
      'connect',
      '--server',
      server,
      '--user',
      user,
      '--device',
      'ghproof',
    ].concat('--', 'ping', '-c', '3', '-i', '0.2', '-W', '2', configuration.remoteAccess.gatewayAddress),
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      // By environment: a command line is public.
      env: {
        ...process.env,
        GATEHOUSE_PSK: configuration.remoteAccess.preSharedKey.revealText(),
        GATEHOUSE_PASSWORD: password,
      },
    },
  )
  let transcript = ''
  const take = (chunk: Buffer) => {
    transcript += chunk
    for (const line of chunk.toString().split('\n')) if (line.trim() !== '') show(line)
  }
  child.stdout.on('data', take)
  child.stderr.on('data', take)
  const patience = setTimeout(() => child.kill('SIGTERM'), patienceSeconds * 1000)
  return new Promise((resolve) => {
    child.on('error', (error) => resolve({ passed: false, transcript: error.message }))
    child.on('close', (code) => {
      clearTimeout(patience)
      resolve({ passed: code === 0, transcript })
    })
  })
}
