// `gatehouse connect`: the composition root of the client. Logs in, runs a command inside the session or waits, logs out.
// Exit code: the command's own; 1 where the session did not come up or was lost.
import { spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { lookup } from 'node:dns/promises'
import { readFileSync } from 'node:fs'
import { constants, hostname } from 'node:os'
import process from 'node:process'
import { type Parsed, parseEspProposal, parseIkeProposal } from '../algorithms/proposals.ts'
import { type ClientSession, type ConnectOptions, connect } from '../gateway/connect.ts'
import type { Log } from '../platform/log.ts'
import type { AuthKind } from '../ppp/contract.ts'
import { addressOctets } from '../wire/address.ts'
import { Secret } from '../wire/secret.ts'
import { command, parse, UsageError } from './arguments.ts'
import { linuxPlatform, logTo } from './linux-platform.ts'

const usage = `gatehouse connect --server HOST --psk KEY --user NAME --password TEXT [options] [-- COMMAND …]

  --server HOST[:IKE:NATT]  the gateway; its UDP ports where they aren't 500 and 4500
  --psk KEY                 or --psk-file FILE, or GATEHOUSE_PSK in the environment: a command line is public
  --certificate FILE        ours, with the chain below its authority, in PEM, instead of a key; then also
  --key FILE                its private key, and
  --authority FILE          the authority that the gateway's certificate must be of; the gateway's certificate must name HOST
  --gateway-name NAME       what it must name instead of HOST
  --revocation STRENGTH     off, standard (default) or strict
  --password TEXT           or --password-file FILE, or GATEHOUSE_PASSWORD
  --ike PROPOSAL            such as aes256-sha256-modp2048; several with commas, best first
  --esp PROPOSAL            such as aes128gcm16 or aes128-sha1
  --authentication KINDS    what we agree to: mschapv2 (default), mschap, chap, pap; several with commas
  --route NETWORK           reach this network through the gateway too; may stand several times; 0.0.0.0/0 for everything
  --device NAME             the TUN device
  --mru OCTETS              largest inner packet (1400)
  --encapsulate             ESP in UDP even where there is no NAT: for networks that drop protocol 50
  --timeout SECONDS         until the session must be up (30)
  --log text|json

Without COMMAND the session stays until Ctrl-C. COMMAND has PPP_LOCAL, PPP_REMOTE, PPP_IFACE and DNS1 in its environment.
`

export function run(args: readonly string[]): Promise<number> {
  return command('connect', async () => {
    const cut = args.indexOf('--')
    const own = cut < 0 ? args : args.slice(0, cut)
    const words = cut < 0 ? [] : args.slice(cut + 1)
    if (own.includes('--help') || own.includes('-h')) {
      process.stdout.write(usage)
      return 0
    }
    const { values } = parse({
      args: [...own],
      options: {
        server: { type: 'string' },
        psk: { type: 'string' },
        'psk-file': { type: 'string' },
        certificate: { type: 'string' },
        key: { type: 'string' },
        authority: { type: 'string' },
        'gateway-name': { type: 'string' },
        revocation: { type: 'string' },
        user: { type: 'string' },
        password: { type: 'string' },
        'password-file': { type: 'string' },
        ike: { type: 'string' },
        esp: { type: 'string' },
        authentication: { type: 'string' },
        route: { type: 'string', multiple: true },
        device: { type: 'string' },
        mru: { type: 'string' },
        encapsulate: { type: 'boolean' },
        timeout: { type: 'string' },
        log: { type: 'string' },
      },
    })
    const server = await serverOf(needed(values.server, '--server'))
    const options: ConnectOptions = {
      server,
      localAddress: await addressTowards(server.address),
      ports: { ike: 500, natt: 4500 },
      preSharedKey:
        values.certificate === undefined
          ? secretOf(values.psk, values['psk-file'], 'GATEHOUSE_PSK', '--psk')
          : undefined,
      certificates: certificatesOf(values),
      user: needed(values.user, '--user'),
      password: secretOf(values.password, values['password-file'], 'GATEHOUSE_PASSWORD', '--password'),
      ike: values.ike?.split(',').map((text) => proposal(text, parseIkeProposal)),
      esp: values.esp?.split(',').map((text) => proposal(text, parseEspProposal)),
      authentication: kindsOf(values.authentication ?? 'mschapv2'),
      hostName: hostname().slice(0, 63) || 'gatehouse',
      device: values.device ?? `ghc${process.pid}`,
      routes: (values.route ?? []).map(networkOf),
      mru: whole(values.mru ?? '1400', '--mru', 576, 1500),
      timeoutSeconds: whole(values.timeout ?? '30', '--timeout', 1, 600),
      deadPeerSeconds: 60,
      forceEncapsulation: values.encapsulate ?? false,
    }
    return live(options, logTo(values.log), words)
  })
}

async function live(options: ConnectOptions, log: Log, words: readonly string[]): Promise<number> {
  const interrupted = Promise.withResolvers<NodeJS.Signals>()
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.once(signal, () => interrupted.resolve(signal))
  const opening = open(options, log)
  const session = await Promise.race([opening, interrupted.promise])
  if (typeof session === 'string') {
    void opening.then((late) => late.disconnect()).catch(() => undefined)
    return 128 + constants.signals[session]
  }
  const { address, gateway, device, dns, ike, esp } = session
  process.stderr.write(
    `connected: ${address} through ${gateway} on ${device}, DNS ${dns.join(' ') || 'none'}; ${ike}, ${esp}\n`,
  )
  try {
    return words.length === 0
      ? await wait(session, interrupted.promise)
      : await runIn(session, words, interrupted.promise)
  } finally {
    await session.disconnect()
  }
}

/** Ports 500 and 4500 as every client has them; any others where a gateway on this machine has those. */
async function open(options: ConnectOptions, log: Log): Promise<ClientSession> {
  const platform = linuxPlatform(log, undefined)
  try {
    return await connect(options, platform)
  } catch (error) {
    const cause = (error as Error).cause as { code?: string } | undefined
    if (cause?.code !== 'EADDRINUSE') throw error
    return connect({ ...options, ports: { ike: 0, natt: 0 } }, linuxPlatform(log, undefined))
  }
}

async function wait(session: ClientSession, interrupted: Promise<NodeJS.Signals>): Promise<number> {
  const lost = await Promise.race([session.ended, interrupted.then(() => undefined)])
  if (lost === undefined) return 0
  process.stderr.write(`the session is over: ${lost}\n`)
  return 1
}

function runIn(
  session: ClientSession,
  words: readonly string[],
  interrupted: Promise<NodeJS.Signals>,
): Promise<number> {
  const child = spawn(words[0]!, words.slice(1), {
    stdio: 'inherit',
    env: { ...withoutSecrets(process.env), ...session.environment },
  })
  let lost = false
  void interrupted.then((signal) => child.kill(signal))
  void session.ended.then((why) => {
    if (child.exitCode !== null || child.signalCode !== null) return
    lost = true
    process.stderr.write(`the session is over: ${why}\n`)
    child.kill('SIGTERM')
  })
  return new Promise((resolve) => {
    child.on('error', (error) => {
      process.stderr.write(`gatehouse connect: ${words[0]} can't be run: ${error.message}\n`)
      resolve(127)
    })
    child.on('exit', (code, signal) => resolve(lost ? 1 : (code ?? 128 + constants.signals[signal ?? 'SIGTERM'])))
  })
}

function withoutSecrets({
  GATEHOUSE_PSK: _psk,
  GATEHOUSE_PASSWORD: _password,
  ...rest
}: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return rest
}

function needed(value: string | undefined, option: string): string {
  if (value === undefined || value === '') throw new UsageError(`${option} is missing; gatehouse connect --help`)
  return value
}

function secretOf(value: string | undefined, file: string | undefined, variable: string, option: string): Secret {
  if (value !== undefined) return new Secret(value)
  if (file !== undefined) return new Secret(readFileSync(file, 'utf8').replace(/\r?\n$/, ''))
  return new Secret(needed(process.env[variable], `${option} (or ${option}-file, or ${variable} in the environment)`))
}

type CertificateOptions = Partial<
  Record<'server' | 'certificate' | 'key' | 'authority' | 'gateway-name' | 'revocation', string>
>

function certificatesOf(values: CertificateOptions): ConnectOptions['certificates'] {
  const { server, certificate, key, authority, revocation = 'standard' } = values
  if (certificate === undefined) return undefined
  if (revocation !== 'off' && revocation !== 'standard' && revocation !== 'strict')
    throw new UsageError(`--revocation ${revocation}: off, standard or strict is right`)
  const text = (file: string | undefined, option: string) => readFileSync(needed(file, option), 'utf8')
  return {
    authorities: [text(authority, '--authority')],
    intermediates: [],
    own: [{ certificate: text(certificate, '--certificate'), key: new Secret(text(key, '--key')) }],
    revocation,
    ocsp: true,
    crls: [],
    identity: values['gateway-name'] ?? server?.replace(/:\d+:\d+$/, ''),
  }
}

async function serverOf(text: string): Promise<ConnectOptions['server']> {
  const [, name, ike, natt] = /^([^:]+):(\d+):(\d+)$/.exec(text) ?? [undefined, text]
  const ports = { ike: whole(ike ?? '500', '--server', 1, 65_535), natt: whole(natt ?? '4500', '--server', 1, 65_535) }
  if (addressOctets(name!)) return { address: name!, ...ports }
  try {
    return { address: (await lookup(name!, { family: 4 })).address, ...ports }
  } catch (error) {
    throw new Error(`the server's name ${JSON.stringify(name)} can't be resolved: ${(error as Error).message}`)
  }
}

/** Our own address on the way there: what the kernel would send from. */
function addressTowards(address: string): Promise<string> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
  return new Promise((resolve, reject) => {
    socket.once('error', (error) => reject(new Error(`there is no route to ${address}: ${error.message}`)))
    socket.connect(500, address, () => {
      resolve(socket.address().address)
      socket.close()
    })
  })
}

function proposal<P>(text: string, read: (text: string) => Parsed<P>): P {
  const parsed = read(text)
  if (parsed.is === 'fault') throw new UsageError(parsed.fault)
  return parsed.proposal
}

const kinds: readonly AuthKind[] = ['mschapv2', 'mschap', 'chap', 'pap']

function kindsOf(text: string): AuthKind[] {
  return text.split(',').map((word) => {
    const kind = kinds.find((known) => known === word)
    if (!kind) throw new UsageError(`--authentication ${word}: ${kinds.join(', ')} are right`)
    return kind
  })
}

function networkOf(text: string): string {
  const [, address, prefix] = /^([\d.]+)\/(\d{1,2})$/.exec(text) ?? []
  if (address && addressOctets(address) && Number(prefix) <= 32) return text
  throw new UsageError(`--route ${text}: a network such as 10.1.0.0/16 is right`)
}

function whole(text: string, option: string, least: number, most: number): number {
  const value = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN
  if (value >= least && value <= most) return value
  throw new UsageError(`${option} ${text}: a whole number from ${least} to ${most} is right`)
}
