// A board between a provider and an office, as network namespaces: `isp` at wan0, `office` at lan0 and lan1. Addresses are whatever the test puts there.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Configuration } from '../../src/config/configuration.ts'
import { parseConfiguration } from '../../src/config/parse.ts'
import { systemFiles } from '../../src/system/files.ts'
import { must } from '../interop/lab/run.ts'

export const isRoot = process.getuid?.() === 0

export type Place = 'isp' | 'board' | 'office'

const places: readonly Place[] = ['isp', 'board', 'office']

export class World {
  /** Its own folder, gone with it. */
  readonly folder = mkdtempSync(join(tmpdir(), 'gatehouse-system-'))
  readonly #prefix = `gs${process.pid}`
  readonly #children: ChildProcess[] = []

  static async open(): Promise<World> {
    const world = new World()
    for (const place of places) {
      await must('ip', ['netns', 'add', world.name(place)])
      await world.in(place, 'ip link set lo up')
    }
    for (const [place, port, at] of [
      ['isp', 'isp0', 'wan0'] as const,
      ['office', 'office0', 'lan0'] as const,
      ['office', 'office1', 'lan1'] as const,
    ]) {
      const peer = ['peer', 'name', at, 'netns', world.name('board')]
      await must('ip', ['link', 'add', port, 'netns', world.name(place), 'type', 'veth', ...peer])
      await world.in(place, `ip link set ${port} up`)
    }
    return world
  }

  name(place: Place): string {
    return `${this.#prefix}-${place}`
  }

  /** Runs a shell's line there; its output. */
  in(place: Place, line: string, timeoutMs = 30_000): Promise<string> {
    return must('ip', ['netns', 'exec', this.name(place), 'sh', '-ec', line], { timeoutMs })
  }

  /** Starts a program there, ended with the world; what it says so far is in `text`. */
  start(place: Place, line: string): { readonly text: () => string; readonly child: ChildProcess } {
    const child = spawn('ip', ['netns', 'exec', this.name(place), 'sh', '-ec', line], {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    let text = ''
    child.stdout.on('data', (chunk) => (text += chunk))
    child.stderr.on('data', (chunk) => (text += chunk))
    this.#children.push(child)
    return { text: () => text, child }
  }

  async close(): Promise<void> {
    for (const child of this.#children) {
      if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) continue
      const ended = new Promise((resolve) => child.once('close', resolve))
      // The whole group: what the shell started goes with it.
      process.kill(-child.pid, 'SIGKILL')
      await ended
    }
    for (const place of places) await must('ip', ['netns', 'delete', this.name(place)])
    rmSync(this.folder, { recursive: true, force: true })
  }
}

const usual = `hostname: gw1
remoteAccess: { preSharedKey: correct horse battery staple, addressPool: 10.99.0.10-10.99.0.250 }
users: [{ name: alice, password: wonderland }]
`

/** A configuration with these lines as its `system:` section. */
export function configured(...lines: readonly string[]): Configuration {
  const outcome = parseConfiguration(`${usual}system:\n${lines.map((line) => `  ${line}\n`).join('')}`, () => '')
  if (outcome.is === 'faulty') throw new Error(JSON.stringify(outcome.faults))
  return outcome.configuration
}

/** The text that a file gets. */
export function textOf(configuration: Configuration | undefined, path: string): string {
  const file = systemFiles(configuration, undefined).find((one) => one.path === path)
  if (file?.is !== 'text') throw new Error(`${path} is not written`)
  return file.text
}
