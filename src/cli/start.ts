// `gatehouse start`, the second half of `npm start`: a first configuration if there is none, the gateway, its proof, the connection card.
// Without root it shows the same proof inside an unprivileged user namespace, and ends.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import type { Configuration } from '../config/configuration.ts'
import type { Gateway } from '../gateway/gateway.ts'
import { openStore } from '../platform/store.ts'
import { command, parse, stateFolder } from './arguments.ts'
import { card, dialable } from './card.ts'
import { writeFirstConfiguration } from './first-configuration.ts'
import { logTo } from './linux-platform.ts'
import { prove } from './proof.ts'
import { serve } from './up.ts'

const proofName = 'proof'
const root = fileURLToPath(new URL('../..', import.meta.url))

export function run(args: readonly string[]): Promise<number> {
  return command('start', async () => {
    const { values } = parse({
      args: [...args],
      options: {
        config: { type: 'string' },
        state: { type: 'string' },
        log: { type: 'string' },
        /** Proves, shows the card and ends: what runs inside the user namespace. */
        demonstration: { type: 'boolean' },
      },
    })
    const config = resolve(values.config ?? join(root, 'gatehouse.yaml'))
    if (writeFirstConfiguration(config)) say(`wrote a first configuration: ${config}`)
    if (process.getuid?.() !== 0) return withoutRoot(config)
    const state = stateFolder(values.state)
    return serve({
      config,
      state,
      log: logTo(values.log),
      ready: (gateway, configuration) => greet(gateway, configuration, config, state, values.demonstration ?? false),
    })
  })
}

async function greet(
  gateway: Gateway,
  configuration: Configuration,
  config: string,
  state: string,
  demonstration: boolean,
): Promise<void> {
  const store = openStore(state)
  const mark = createHash('sha256').update(readFileSync(config)).digest('hex')
  if (store.read(proofName) !== mark) {
    say("the proof: the gateway's own client logs in from a network namespace and pings through")
    const { passed, transcript } = await prove(configuration, (line) => process.stdout.write(`    ${line}\n`))
    if (passed) store.write(proofName, mark)
    say(passed ? 'the proof passed' : `the proof failed: ${transcript.trim().split('\n').at(-1) ?? 'nothing was said'}`)
    if (demonstration) process.exitCode = passed ? 0 : 1
  }
  process.stdout.write(card(configuration, dialable(configuration)))
  if (demonstration) process.kill(process.pid, 'SIGTERM')
  else say(`serving; the configuration is ${config}; Ctrl-C says goodbye to every client and ends`)
  void gateway
}

/** What is needed for serving, and the proof where the kernel lets an ordinary user have it. */
function withoutRoot(config: string): number {
  process.stderr.write(
    'serving needs root, or the capabilities CAP_NET_ADMIN, CAP_NET_RAW and CAP_NET_BIND_SERVICE (packaging/ has a unit without root).\n' +
      'Here is the proof alone, inside an unprivileged user namespace:\n',
  )
  const state = mkdtempSync(join(tmpdir(), 'gatehouse-'))
  try {
    const { status, error } = spawnSync(
      'unshare',
      [
        '--user',
        '--map-root-user',
        '--net',
        '--mount',
        join(root, 'gatehouse'),
        'start',
        '--demonstration',
        '--config',
        config,
      ].concat('--state', state),
      { stdio: 'inherit' },
    )
    if (status === 0) return 0
    process.stderr.write(
      error
        ? `unshare can't be run: ${error.message}; the package util-linux has it\n`
        : 'the proof did not run here; what was missing stands above (where unshare itself says "Operation not permitted", this kernel forbids unprivileged user namespaces). Start it as root: sudo npm start\n',
    )
    return 1
  } finally {
    rmSync(state, { recursive: true, force: true })
  }
}

function say(text: string): void {
  process.stdout.write(process.stdout.isTTY ? `\x1b[1m==>\x1b[0m ${text}\n` : `==> ${text}\n`)
}
