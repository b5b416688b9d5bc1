// This machine, as the gateway and the client see it: the one place where the Linux implementations are put together.
import process from 'node:process'
import { runWork } from '../crypto/dh.ts'
import type { Platform } from '../gateway/platform.ts'
import { openDnsForwarder } from '../platform/dns-forwarder.ts'
import { openKernel, probeKernel } from '../platform/kernel.ts'
import { LinuxNetwork } from '../platform/linux/network.ts'
import { systemClock, systemRandom, systemTimers } from '../platform/linux/system-clock.ts'
import { jsonLog, type Log, plainLog } from '../platform/log.ts'
import type { Store } from '../platform/store.ts'
import { openUserland } from '../platform/userland.ts'
import { UsageError } from './arguments.ts'
import { chooseDataplane, type DataplaneWish } from './choose-dataplane.ts'
import { adviceFor } from './open-advice.ts'

/** The log on stderr in the form that `--log` asks for. */
export function logTo(form: string | undefined): Log {
  const write = (line: string) => void process.stderr.write(line)
  if (form === undefined || form === 'text') return plainLog(write)
  if (form === 'json') return jsonLog(write)
  throw new UsageError(`--log ${form}: text or json is right`)
}

/** The machine; `store` keeps the journal by which a killed daemon's traces are removed. Without a wish (a client) the plane is userland. */
export function linuxPlatform(log: Log, store: Store | undefined, wish?: DataplaneWish): Platform {
  return {
    clock: systemClock,
    timers: systemTimers,
    random: systemRandom,
    log,
    work: runWork,
    openFastPath: async (options) => {
      try {
        if (wish === undefined) return openUserland(options)
        const { plane, why } = chooseDataplane(wish, probeKernel)
        return plane === 'kernel' ? openKernel({ ...options, why }) : openUserland({ ...options, why })
      } catch (error) {
        throw new Error(adviceFor(error as Error), { cause: error })
      }
    },
    network: new LinuxNetwork({ store }),
    forwardDns: (address) => openDnsForwarder({ address }),
  }
}
