// This machine, as the gateway and the client see it: the one place where the Linux implementations are put together.
import { resolve4 } from 'node:dns/promises'
import process from 'node:process'
import { codeCbcBy } from '../crypto/cipher.ts'
import type { Platform } from '../gateway/platform.ts'
import { loadNative } from '../platform/addon.ts'
import { openDnsForwarder } from '../platform/dns-forwarder.ts'
import { openKernel, probeKernel } from '../platform/kernel.ts'
import { type Hitless, openHitless, releaseFormer } from '../platform/linux/hitless.ts'
import { localAddressFor } from '../platform/linux/local-address.ts'
import { LinuxNetwork } from '../platform/linux/network.ts'
import { LinuxPacketPolicy } from '../platform/linux/policy-filter.ts'
import { systemClock, systemRandom, systemTimers } from '../platform/linux/system-clock.ts'
import { cleaningOf } from '../platform/linux/watcher.ts'
import { jsonLog, type Log, plainLog } from '../platform/log.ts'
import type { Store } from '../platform/store.ts'
import { openUserland } from '../platform/userland.ts'
import { UsageError } from './arguments.ts'
import { certificateThread } from './certificate-thread.ts'
import { chooseDataplane, type DataplaneChoice, type DataplaneWish } from './choose-dataplane.ts'
import { dhWork } from './key-exchange.ts'
import { adviceFor } from './open-advice.ts'

/** The log on stderr in the form that `--log` asks for. */
export function logTo(form: string | undefined): Log {
  const write = (line: string) => void process.stderr.write(line)
  if (form === undefined || form === 'text') return plainLog(write)
  if (form === 'json') return jsonLog(write)
  throw new UsageError(`--log ${form}: text or json is right`)
}

/** The machine, and what it takes for a restart that ends no session. */
export type LinuxPlatform = Platform & { readonly hitless: Hitless }

/** The machine; `store` keeps the journal by which a killed daemon's traces are removed. Without a wish (a client) the plane is userland. */
export function linuxPlatform(log: Log, store: Store | undefined, wish?: DataplaneWish): LinuxPlatform {
  const choice = wish && chosen(wish)
  const native = loadNative()
  codeCbcBy(native.codeCbc)
  const hitless = hitlessOf(log, store, choice?.plane)
  return {
    clock: systemClock,
    timers: systemTimers,
    random: systemRandom,
    log,
    hitless,
    journal: hitless.is === 'on' ? hitless.journal : undefined,
    work: dhWork(native),
    certificates: certificateThread((why) =>
      log.write({
        at: new Date(),
        level: 'error',
        event: 'gateway.certificates',
        sentence: `the certificate thread ended: ${why}`,
        facts: {},
      }),
    ),
    openFastPath: async (options) => {
      try {
        if (choice === undefined) return openUserland(options)
        const { plane, why } = choice
        const holder = hitless.is === 'on' ? { holder: hitless.holder } : {}
        return plane === 'kernel'
          ? openKernel({ ...options, why, offload: wish?.offload ?? 'auto', ...holder })
          : openUserland({ ...options, why })
      } catch (error) {
        throw new Error(adviceFor(error as Error), { cause: error })
      }
    },
    network: new LinuxNetwork({ store }),
    resolve: resolve4,
    localAddressFor,
    ...(wish ? { packetPolicy: new LinuxPacketPolicy() } : {}),
    forwardDns: (address) => openDnsForwarder({ address }),
  }
}

function chosen(wish: DataplaneWish): DataplaneChoice {
  try {
    return chooseDataplane(wish, probeKernel)
  } catch (error) {
    throw new Error(adviceFor(error as Error), { cause: error })
  }
}

function hitlessOf(log: Log, store: Store | undefined, plane: DataplaneChoice['plane'] | undefined): Hitless {
  const say = (level: 'info' | 'warn', sentence: string) =>
    log.write({ at: new Date(), level, event: 'gateway.hitless', sentence, facts: {} })
  // A unit's own folder under /run, where there is one, is in memory; the state folder may be on a disk.
  const folder = process.env.RUNTIME_DIRECTORY?.split(':')[0] ?? store?.folder
  if (plane !== 'kernel' || folder === undefined) {
    // A client has a state folder of nobody, and leaves gateways alone.
    if (plane === 'userland' && folder !== undefined) releaseFormer(folder, loadNative())
    return { is: 'off', why: 'the userland data plane ends with the daemon, and every session with it' }
  }
  const hitless = openHitless({
    folder,
    native: loadNative(),
    afterwards: store ? cleaningOf(store) : [],
    failed: (why) => say('warn', `the journal can't be written, so a crash will end every session: ${why}`),
  })
  if (hitless.is === 'on') say('info', hitless.how)
  else say('warn', `a crash or a restart will end every session: ${hitless.why}`)
  return hitless
}
