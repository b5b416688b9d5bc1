// Picks the command. Each is loaded on demand: `status` shouldn't pay for the gateway.
import process from 'node:process'

/** Text behind `gatehouse help`; the README explains more. */
const usage = `gatehouse: an L2TP/IPsec VPN gateway

  gatehouse up --config FILE [--state DIR] [--log text|json] [--watcher]
                                                               the gateway, in the foreground; --watcher: something cleans up
                                                               at once after it if it is killed
  gatehouse start [--config FILE] [--state DIR]                the same, after writing a first configuration and proving itself
  gatehouse check FILE | --schema                              validates a configuration; prints its JSON Schema
  gatehouse status [--json] [--state DIR]                      what is up: SAs, sessions, pool
  gatehouse disconnect USER|ADDRESS [--state DIR]              ends sessions
  gatehouse restart [--state DIR]                              starts the running gateway anew, after an update: sessions stay
  gatehouse policy test SRC DST PROTO [SPORT:]PORT --config FILE
                                                               which rule a packet would meet, and why
  gatehouse policy show [--config FILE] [--json]               the active filters, of a file or of the running gateway
  gatehouse policy import FILE                                 netsh ipsec static and ipseccmd lines as a configuration
  gatehouse connect --server HOST --psk KEY --user NAME --password TEXT [-- COMMAND]
                                                               the client side; see: gatehouse connect --help
  gatehouse pki ca|gateway|client|renew|revoke|crl|list        an authority of one's own: certificates for gateway and clients
  gatehouse system apply --config FILE [--root DIR] [--dry-run] WAN, LAN, firewall, clock and logs of an appliance, put in force
  gatehouse console [--config FILE] [--state DIR] [--tty DEVICE] [--baud SPEED]
                                                               the device's command line, here or on a serial line
  gatehouse engines [--json] [--all]                           what can carry ESP here: userland engines, the kernel's drivers
  gatehouse bench [WHAT] [--json] [--html FILE] [--compare OLD.json] [--quick]
                                                               measures on this machine: engines, packets, throughput,
                                                               against softether, logins, sessions, idle, or all
  gatehouse bench engines --tune [--config FILE] [--explain] [--quick]
                                                               measures every engine, idle and loaded, and writes the best into
                                                               the configuration
  gatehouse provision --port DEVICE [--port DEVICE …] SITE.yaml
                                                               from a laptop: boards over their serial consoles, several at
                                                               once; see: gatehouse provision --help
  gatehouse image build|flash --board NAME                     firmware for a board, and its way onto a device
  gatehouse update install FILE|status                         on a device: new firmware into the other slot
`

/** What each command's module exports: its exit code comes back. */
type Command = { run(args: readonly string[]): Promise<number> }

const commands: Record<string, () => Promise<Command>> = {
  up: () => import('./cli/up.ts'),
  start: () => import('./cli/start.ts'),
  check: () => import('./cli/check.ts'),
  status: () => import('./cli/status.ts'),
  disconnect: () => import('./cli/disconnect.ts'),
  restart: () => import('./cli/restart.ts'),
  connect: () => import('./cli/connect.ts'),
  bench: () => import('./cli/bench.ts'),
  engines: () => import('./cli/engines.ts'),
  policy: () => import('./cli/policy.ts'),
  console: () => import('./cli/console.ts'),
  pki: () => import('./cli/pki.ts'),
  provision: () => import('./cli/provision.ts'),
  image: () => import('./cli/image.ts'),
  update: () => import('./cli/update.ts'),
  system: () => import('./cli/system.ts'),
}

async function main(): Promise<number> {
  if (Number(process.versions.node.split('.')[0]) !== 24) {
    console.error(`gatehouse: this is Node ${process.versions.node}, 24 is needed: start it as ./gatehouse`)
    return 1
  }
  const [name, ...args] = process.argv.slice(2)
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    process.stdout.write(usage)
    return name === undefined ? 2 : 0
  }
  if (!Object.hasOwn(commands, name)) {
    const { nearest } = await import('./config/nearest.ts')
    const hint = nearest(name, Object.keys(commands))
    console.error(
      `gatehouse: there is no command ${JSON.stringify(name)}${hint ? `; did you mean ${hint}?` : ''}\n\n${usage}`,
    )
    return 2
  }
  return (await commands[name]!()).run(args)
}

process.exitCode = await main()
