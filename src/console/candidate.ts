// The configuration that is being edited: nothing of it counts before `commit`. Kept in the state folder, so that a cut cable loses no work; a
// reboot does.
import { join } from 'node:path'
import type { Device } from './device.ts'

export class Candidate {
  readonly #device: Device
  #text: string | undefined

  constructor(device: Device) {
    this.#device = device
    this.#text = device.disk.read(this.#file)
  }

  get #file(): string {
    return join(this.#device.state, 'candidate.yaml')
  }

  get #running(): string {
    return this.#device.disk.read(this.#device.config) ?? ''
  }

  /** The edited text; what is running where nothing was edited. */
  get text(): string {
    return this.#text ?? this.#running
  }

  /** Something was edited, and it differs from what is running. */
  get changed(): boolean {
    return this.#text !== undefined && this.#text !== this.#running
  }

  set(text: string): void {
    const { disk, state } = this.#device
    disk.makeFolder(state)
    disk.write(`${this.#file}.new`, text, 'owner')
    disk.rename(`${this.#file}.new`, this.#file)
    this.#text = text
  }

  discard(): void {
    if (this.#device.disk.read(this.#file) !== undefined) this.#device.disk.remove(this.#file)
    this.#text = undefined
  }
}
