// The board as the console sees it: all that runs or lies outside. Tests pass a fake.
import type { Status } from '../control/protocol.ts'
import type { Disk } from './disk.ts'

export type RunOptions = {
  /** Gets text as it comes, stdout and stderr as one. */
  readonly onText?: (text: string) => void
  /** Ends the program. */
  readonly signal?: AbortSignal
  /** Milliseconds after which it is ended; a minute unless said. */
  readonly timeoutMs?: number
}

export type RunOutcome = {
  /** Exit code; -1 where a signal ended it. */
  readonly code: number
  /** What it said, stdout and stderr, up to a megabyte. */
  readonly text: string
  /** Its time was over. */
  readonly late?: boolean
}

/** A program that isn't there, with what to do. */
export class DeviceError extends Error {}

/** Known of a board, by the names of the machines' protocol: `serial-number`, `mac-wan0`, `board` … */
export type Facts = readonly (readonly [name: string, value: string])[]

export type Device = {
  readonly disk: Disk
  /** The configuration file. */
  readonly config: string
  /** Folder on tmpfs: gone after a reboot. */
  readonly state: string
  /** Names of the board's ports, which `system:` may use; undefined where the machine is no board. */
  readonly ports?: readonly string[] | undefined
  /** What the board is: serial number, MACs, host key, device tree's name. */
  boardFacts(): Promise<Facts>
  /** Firmware, kernel, Node. */
  versionFacts(): Promise<Facts>
  /** The board's own private key (PEM); made where it isn't there. */
  boardKey(): string
  /** Asks the gateway. Throws where none runs. */
  status(): Promise<Status>
  disconnect(target: string): Promise<number>
  /**
   * Has the gateway take the file into use: told to read it again, started where none runs, stopped where there is no file. A sentence says which.
   * Throws where it refuses.
   */
  reload(): Promise<string>
  /** `gatehouse system apply`; without a configuration the machine is closed. Throws with what it said where it fails. */
  applySystem(): Promise<void>
  /** Runs a program of the board; arguments are arguments, no shell is between. Throws a DeviceError where it isn't there. */
  run(program: string, args: readonly string[], options?: RunOptions): Promise<RunOutcome>
  /** Runs a command of this program itself. */
  gatehouse(args: readonly string[], options?: RunOptions): Promise<RunOutcome>
  /** Has somebody who outlives this process roll back when the pending commit is due. */
  startGuard(): Promise<void>
  /** True while the process lives. */
  lives(process: number): boolean
  reboot(): Promise<void>
  /** Removes configuration, history and keys; the reboot is separate. */
  forgetEverything(): Promise<void>
  /** Names of network interfaces. */
  interfaces(): readonly string[]
  /** Settles when the board's ports carry their names: the console's first question comes earlier in a boot. */
  portsNamed(): Promise<void>
  /** Tells the system's log. */
  log(sentence: string): void
  bootId(): string
  /** Milliseconds since the boot, whatever the clock does. */
  monotonicMs(): number
  now(): Date
}
