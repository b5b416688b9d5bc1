// `gatehouse up`: the composition root of the gateway. State folder and lock, then the machine, then the gateway, then the control socket;
// signals end it or make it read its configuration again.
import { realpathSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import process from 'node:process'
import type { Configuration } from '../config/configuration.ts'
import { createGateway, type Gateway } from '../gateway/gateway.ts'
import { loadNative } from '../platform/addon.ts'
import { serveControl } from '../platform/control-server.ts'
import { KernelPriorities, type PriorityOutcome, sayPriority } from '../platform/linux/kernel-priorities.ts'
import { ServiceManager } from '../platform/linux/service-manager.ts'
import { systemClock, systemTimers } from '../platform/linux/system-clock.ts'
import { startWatcher } from '../platform/linux/watcher.ts'
import type { Log } from '../platform/log.ts'
import { openStore } from '../platform/store.ts'
import { command, parse, stateFolder, UsageError } from './arguments.ts'
import type { DataplaneWish } from './choose-dataplane.ts'
import { type LinuxPlatform, linuxPlatform, logTo } from './linux-platform.ts'
import { loadConfiguration, permissionWarning, showFault } from './load.ts'

export function run(args: readonly string[]): Promise<number> {
  return command('up', async () => {
    const { values } = parse({
      args: [...args],
      options: {
        config: { type: 'string' },
        state: { type: 'string' },
        log: { type: 'string' },
        watcher: { type: 'boolean' },
      },
    })
    if (values.config === undefined) throw new UsageError('a configuration is needed: gatehouse up --config FILE')
    return serve({
      config: values.config,
      state: stateFolder(values.state),
      log: logTo(values.log),
      watcher: values.watcher ?? false,
    })
  })
}

/** After so long what was compiled and read for the start alone has been. */
const startedMs = 1000

export type ServeOptions = {
  readonly config: string
  readonly state: string
  readonly log: Log
  /** Clean up at once after a daemon that was killed, by a shell that watches, not at the next start. */
  readonly watcher?: boolean
  /** Called once when clients are accepted. */
  readonly ready?: (gateway: Gateway, configuration: Configuration) => Promise<void>
}

/** Runs a gateway until a signal or the control socket ends it; resolves to the exit code. */
export async function serve({ config, state, log, watcher = false, ready }: ServeOptions): Promise<number> {
  // Whoever read our output may go away; the gateway stays.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined)
  const outcome = loadConfiguration(config)
  if (outcome.is === 'faulty') {
    for (const fault of outcome.faults) process.stderr.write(`${showFault(config, fault)}\n`)
    return 2
  }
  const open = permissionWarning(config)
  if (open) process.stderr.write(`${open}\n`)
  for (const warning of outcome.warnings) process.stderr.write(`${showFault(config, warning)}\n`)
  const { configuration } = outcome

  takeTimeZone(configuration)
  const manager = new ServiceManager()
  const store = openStore(state)
  store.lock()
  // Signals count from here on: one that comes during the start ends the gateway as soon as it is up.
  const end = Promise.withResolvers<void>()
  // A second one changes nothing: npm passes on what the terminal has sent to everybody already, and a goodbye that is cut off leaves traces.
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => end.resolve())
  let gateway: Gateway | undefined
  let machine: LinuxPlatform | undefined
  let watching: ReturnType<typeof startWatcher> | undefined
  const priorities = new KernelPriorities(loadNative(), store)
  sayPriorities(log, priorities.apply(configuration.kernelPriorities))
  try {
    machine = linuxPlatform(log, store, wishOf(configuration))
    const { hitless } = machine
    // What is to outlive this process must not be cleaned up after it.
    if (watcher && hitless.is === 'off') watching = startWatcher(store)
    const running = await createGateway(machine, configuration)
    gateway = running
    const restart = () => {
      if (hitless.is === 'off')
        throw new Error(
          `a restart would end every session: ${hitless.why}; stop the gateway and start it again if that is meant`,
        )
      setImmediate(() => startAnew(log, hitless.holder))
    }
    const onRestart = () => {
      try {
        restart()
      } catch (error) {
        log.write({
          at: new Date(),
          level: 'warn',
          event: 'gateway.restart.refused',
          sentence: (error as Error).message,
          facts: {},
        })
      }
    }
    process.on('SIGUSR2', onRestart)
    const reload = async () => {
      manager.reloading(systemClock.now())
      await reloadFrom(config, running).finally(() => manager.ready(running.status().description))
    }
    const onHangup = () => void reload().catch(() => undefined)
    process.on('SIGHUP', onHangup)
    const control = await serveControl(store, {
      status: () => running.status(),
      disconnect: (target) => running.disconnect(target),
      reload,
      restart,
      stop: () => end.resolve(),
      subscribe: (receive) => running.subscribe(receive),
    })
    const { ike, natt } = running.ports
    const addresses = configuration.listen.length > 0 ? configuration.listen.join(' ') : 'every address'
    process.stdout.write(`ready: ${addresses}, UDP ${ike} and ${natt}; ${running.status().description}\n`)
    manager.ready(running.status().description)
    manager.watch(systemTimers, () => running.pulse())
    // Where NODE_COMPILE_CACHE names a folder: a daemon that is killed leaves what it compiled, and the next one is there in half the time.
    flushCompileCache()
    // Half of what the start has looked at of Node's file is looked at only then.
    setTimeout(() => loadNative().releaseUnusedMemory(), startedMs).unref()
    await ready?.(running, configuration)
    await end.promise
    manager.stopping()
    process.off('SIGHUP', onHangup)
    process.off('SIGUSR2', onRestart)
    await control.close()
    return 0
  } finally {
    await gateway?.stop()
    if (machine?.hitless.is === 'on') machine.hitless.release()
    sayPriorities(log, priorities.restore())
    watching?.close()
    store.unlock()
  }
}

function wishOf({ dataplane, offload, remoteAccess, sites }: Configuration): DataplaneWish {
  return { dataplane, offload, esp: [...remoteAccess.esp, ...sites.flatMap(({ esp }) => esp)] }
}

/** Which of the kernel's drivers come first is the machine's business, not the gateway's: said in its log, by us. */
function sayPriorities(log: Log, outcomes: readonly PriorityOutcome[]): void {
  for (const outcome of outcomes) {
    log.write({
      at: new Date(),
      level: outcome.is === 'refused' ? 'warn' : 'info',
      event: 'engines.priority',
      sentence: sayPriority(outcome),
      facts: { ...outcome },
    })
  }
}

/**
 * This process ends as if it had crashed, and the program, perhaps a newer one, goes on from the journal. systemd starts it, since it alone hands its
 * descriptors over; otherwise it takes this process's place.
 */
function startAnew(log: Log, holder: string): void {
  log.write({
    at: new Date(),
    level: 'info',
    event: 'gateway.restart',
    sentence: 'starting anew; sessions stay',
    facts: {},
  })
  if (holder === 'systemd') process.kill(process.pid, 'SIGKILL')
  else process.execve!(process.execPath, [process.execPath, ...process.execArgv, ...process.argv.slice(1)], process.env)
}

/** Reads the configuration again. A faulty one is said in the log and by the rejection; the running one stays. */
async function reloadFrom(config: string, gateway: Gateway): Promise<void> {
  try {
    const outcome = loadConfiguration(realpathSync(config))
    if (outcome.is === 'faulty') throw new Error(outcome.faults.map((fault) => showFault(config, fault)).join('; '))
    takeTimeZone(outcome.configuration)
    await gateway.reload(outcome.configuration)
  } catch (error) {
    const why = `the running configuration stays: ${(error as Error).message}`
    gateway.events.emit({ event: 'gateway.reload.refused', why })
    throw new Error(why)
  }
}

/** Hours are local time: Node reads the zone anew when this is written, the machine's own only when a process starts. */
function takeTimeZone({ system }: Configuration): void {
  if (system) process.env.TZ = system.timezone
}
