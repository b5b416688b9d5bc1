// The gateway proves itself once: its own client logs in from a network namespace and pings through. The transcript is shown.
// Needs CAP_NET_ADMIN and CAP_SYS_ADMIN where it runs: root, or an unprivileged user namespace.
import { spawn, spawnSync } from 'node:child_process'
import { networkInterfaces } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { Configuration } from '../config/configuration.ts'
import { runHere, ScratchNamespace } from './scratch-namespace.ts'

/** Networks for the proof's wire, the gateway's end first: documentation (RFC 5737) and link-local addresses, which nobody routes. */
const wires = ['198.51.100', '203.0.113', '192.0.2', '169.254.213'].map((net) => [`${net}.1`, `${net}.2`] as const)
/** All of it takes a few seconds; a gateway that needs longer has failed. */
const patienceSeconds = 40

export type Proof = { readonly passed: boolean; readonly transcript: string }

/** Logs in as the first user that can. The gateway must be ready; what the proof makes is gone afterwards. `show` gets lines as they come. */
export async function prove(configuration: Configuration, show: (line: string) => void): Promise<Proof> {
  const user = configuration.users.find((entry) => entry.enabled && entry.password && entry.hours.length === 0)
  if (!user) return { passed: false, transcript: 'there is no enabled user with a password to log in as' }
  const wire = wires.find(([gatewayEnd]) => !taken(gatewayEnd))
  if (!wire) return { passed: false, transcript: 'this machine has every network that the proof could use for itself' }
  const [gatewayEnd, clientEnd] = wire
  const device = `ghproof${process.pid % 100_000}`
  let client: ScratchNamespace | undefined
  try {
    client = await ScratchNamespace.open()
    runHere('ip', ['link', 'add', device, 'type', 'veth', 'peer', 'name', 'outside', 'netns', client.pid])
    runHere('ip', ['address', 'add', `${gatewayEnd}/30`, 'dev', device])
    runHere('ip', ['link', 'set', device, 'up'])
    client.run('ip', ['address', 'add', `${clientEnd}/30`, 'dev', 'outside'])
    client.run('ip', ['link', 'set', 'outside', 'up'])
    return await logIn(client, gatewayEnd, configuration, user.name, user.password!.revealText(), show)
  } catch (error) {
    return { passed: false, transcript: (error as Error).message }
  } finally {
    await client?.close()
    spawnSync('ip', ['link', 'delete', device], { stdio: 'ignore' })
  }
}

/** Whether an interface of this machine has an address in the same /24. */
function taken(address: string): boolean {
  const start = address.slice(0, address.lastIndexOf('.') + 1)
  return Object.values(networkInterfaces()).some((entries) => entries?.some((entry) => entry.address.startsWith(start)))
}

function logIn(
  client: ScratchNamespace,
  gatewayEnd: string,
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
    env: { ...process.env, GATEHOUSE_PSK: remoteAccess.preSharedKey?.revealText() ?? '', GATEHOUSE_PASSWORD: password },
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
