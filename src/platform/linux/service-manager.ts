// What systemd is told by a daemon of `Type=notify` (sd_notify(3)): ready, reloading, stopping, and, as long as it is alive, that it is alive.
// Started by anything else, nothing is said.
import process from 'node:process'
import { loadNative } from '../addon.ts'
import type { Timers } from '../clock.ts'

/** Sends assignments to a socket: empty, or why not. */
export type Notify = (socket: string, assignments: string) => string

export class ServiceManager {
  readonly #socket: string | undefined
  readonly #watchdogMs: number | undefined
  readonly #notify: Notify
  #cancel: (() => void) | undefined

  constructor(environment: NodeJS.ProcessEnv = process.env, notify?: Notify, pid = process.pid) {
    this.#socket = environment.NOTIFY_SOCKET || undefined
    const microseconds = Number(environment.WATCHDOG_USEC)
    const forUs = environment.WATCHDOG_PID === undefined || Number(environment.WATCHDOG_PID) === pid
    this.#watchdogMs = this.#socket && microseconds > 0 && forUs ? microseconds / 1000 : undefined
    this.#notify = notify ?? ((socket, assignments) => loadNative().notifyManager(socket, assignments))
  }

  /** Clients are accepted; `status` is the line that `systemctl status` shows. Also the end of a reload. */
  ready(status: string): void {
    this.#tell('READY=1', `STATUS=${status}`)
  }

  /** `monotonicMs` is CLOCK_MONOTONIC: the manager tells two reloads apart by it. */
  reloading(monotonicMs: number): void {
    this.#tell('RELOADING=1', `MONOTONIC_USEC=${Math.floor(monotonicMs * 1000)}`)
  }

  stopping(): void {
    this.#cancel?.()
    this.#cancel = undefined
    this.#tell('STOPPING=1')
  }

  /**
   * From now on says so, three times in each watchdog interval, as long as `pulse` resolves: one that doesn't keeps the next from being asked, and the
   * manager restarts us. Without a watchdog nothing is asked.
   */
  watch(timers: Timers, pulse: () => Promise<void>): void {
    if (this.#watchdogMs === undefined) return
    const every = this.#watchdogMs / 3
    const beat = () =>
      void pulse().then(
        () => {
          if (!this.#cancel) return
          this.#tell('WATCHDOG=1')
          this.#cancel = timers.after(every, beat)
        },
        () => undefined,
      )
    this.#cancel = timers.after(every, beat)
  }

  #tell(...assignments: readonly string[]): void {
    if (this.#socket) this.#notify(this.#socket, assignments.join('\n').replace(/\n(?![A-Z_]+=)/g, ' '))
  }
}
