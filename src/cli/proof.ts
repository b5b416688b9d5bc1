// The gateway proves itself once: its own client logs in from a network namespace and pings through. The transcript is shown.
// Needs CAP_NET_ADMIN and CAP_SYS_ADMIN where it runs: root, or an unprivileged user namespace.
import { spawn, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Configuration } from '../config/configuration.ts'
import { runHere, ScratchNamespace } from './scratch-namespace.ts'

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
  const device = `ghproof${process.pid % 100_000}`
  let client: ScratchNamespace | undefined
  try {
    client = await ScratchNamespace.open()
    runHere('ip', ['link', 'add', device, 'type', 'veth', 'peer', 'name', 'outside', 'netns', client.pid])
    runHere('ip', ['address', 'add', `${gatewayEnd}/30`, 'dev', device])
    runHere('ip', ['link', 'set', device, 'up'])
    client.run('ip', ['address', 'add', `${clientEnd}/30`, 'dev', 'outside'])
    client.run('ip', ['link', 'set', 'outside', 'up'])
    return await logIn(client, configuration, user.name, user.password!.revealText(), show)
  } catch (error) {
    return { passed: false, transcript: (error as Error).message }
  } finally {
    await client?.close()
    spawnSync('ip', ['link', 'delete', device], { stdio: 'ignore' })
  }
}

function logIn(
  client: ScratchNamespace,
  configuration: Configuration,
  user: string,
  password: string,
  show: (line: string) => void,
): Promise<Proof> {
  const gatehouse = fileURLToPath(new URL('../../gatehouse', import.meta.url))
  const { ports, remoteAccess } = configuration
  const ping = ['ping', '-c', '3', '-i', '0.2', '-W', '2', remoteAccess.gatewayAddress]
  const who = ['--server', `${gatewayEnd}:${ports.ike}:${ports.natt}`, '--user', user, '--device', 'ghproof']
  const [file, args] = client.enter([gatehouse, 'connect', ...who, '--', ...ping])
  const child = spawn(file, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    // By environment: a command line is public.
    env: { ...process.env, GATEHOUSE_PSK: remoteAccess.preSharedKey.revealText(), GATEHOUSE_PASSWORD: password },
  })
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
