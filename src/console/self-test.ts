// Whether the appliance works: what `show self-test` says and the provisioner waits for. `NAME: passed|failed|running …` lines, then a verdict.
import type { Configuration } from '../config/configuration.ts'
import type { Status } from '../control/protocol.ts'
import { judge } from './commit.ts'
import type { Device } from './device.ts'

export type Check = { readonly name: string; readonly state: 'passed' | 'failed' | 'running'; readonly what: string }

/** Milliseconds after the gateway's start in which a network may still be coming up. */
const settleMs = 60_000

export async function selfTest(device: Device): Promise<readonly Check[]> {
  const text = device.disk.read(device.config)
  if (text === undefined) return [{ name: 'configuration', state: 'failed', what: 'there is none yet' }]
  const judgement = judge(text, device)
  if (judgement.is === 'faulty')
    return [
      {
        name: 'configuration',
        state: 'failed',
        what: `${judgement.faults.length} faults; "check" in configure mode lists them`,
      },
    ]
  const { configuration } = judgement
  const checks: Check[] = [{ name: 'configuration', state: 'passed', what: 'valid' }]
  let status: Status
  try {
    status = await device.status()
  } catch (error) {
    return [...checks, { name: 'gateway', state: 'failed', what: (error as Error).message }]
  }
  checks.push({ name: 'gateway', state: 'passed', what: `${status.dataplane}: ${status.description}` })
  checks.push(inUse(configuration, status))
  checks.push(await kernelCrypto(device))
  if (configuration.system?.wan)
    checks.push(...(await wan(device, configuration.system.wan.port, Date.parse(status.since))))
  return checks
}

export function showSelfTest(checks: readonly Check[]): string {
  const worst =
    (['failed', 'running'] as const).find((state) => checks.some((check) => check.state === state)) ?? 'passed'
  return [...checks.map(({ name, state, what }) => `${name}: ${state} (${what})`), `self-test: ${worst}`].join('\n')
}

/** That the gateway runs with what the file says: the pool tells as much as can be told from outside. */
function inUse({ hostname, remoteAccess }: Configuration, status: Status): Check {
  const size = remoteAccess.pool.reduce((sum, { first, last }) => sum + last - first + 1, 0)
  const name = 'configuration-in-use'
  if (status.hostname !== hostname)
    return { name, state: 'failed', what: `the gateway calls itself ${status.hostname}, not ${hostname}` }
  return status.pool.size === size
    ? { name, state: 'passed', what: `pool of ${size} addresses` }
    : { name, state: 'failed', what: `the gateway's pool has ${status.pool.size} addresses, the file's ${size}` }
}

/** No algorithm of the kernel may have failed its own self-test. */
async function kernelCrypto(device: Device): Promise<Check> {
  const name = 'kernel-crypto'
  const text = device.disk.read('/proc/crypto')
  if (text === undefined) return { name, state: 'passed', what: 'this kernel lists none' }
  const blocks = text.split('\n\n')
  const bad = blocks.filter((block) => /^selftest\s*:\s*(?!passed)\S/m.test(block))
  const names = bad.map((block) => /^driver\s*:\s*(\S+)/m.exec(block)?.[1] ?? 'one without a name')
  // `unknown` is an algorithm whose test is under way or not there yet.
  return bad.some((block) => /^selftest\s*:\s*fail/m.test(block))
    ? { name, state: 'failed', what: names.slice(0, 5).join(', ') }
    : { name, state: 'passed', what: `${blocks.length} algorithms` }
}

async function wan(device: Device, port: string, since: number): Promise<readonly Check[]> {
  const young = device.now().getTime() - since < settleMs
  const missing = young ? 'running' : 'failed'
  const route = await device.run('ip', ['-4', 'route', 'show', 'default'])
  const addresses = await device.run('ip', ['-4', '-brief', 'address'])
  const addressed = addresses.text
    .split('\n')
    .some((line) => (line.startsWith(port) || line.startsWith('ppp')) && /\d+\.\d+\.\d+\.\d+/.test(line))
  const routed = route.code === 0 && route.text.trim() !== ''
  return [
    {
      name: 'wan-address',
      state: addressed ? 'passed' : missing,
      what: addressed ? port : `${port} has no address; is the cable in?`,
    },
    {
      name: 'default-route',
      state: routed ? 'passed' : missing,
      what: routed ? route.text.trim().split('\n')[0]! : 'there is none',
    },
  ]
}
