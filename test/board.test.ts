// Every board.ts is whole, contradicts neither itself nor what Debian was seen to have, and says what was never tried.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Board } from '../board/common/board.ts'
import { kernel, packages } from '../board/common/debian.ts'

const folder = join(import.meta.dirname, '..', 'board')
const names = readdirSync(folder, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && entry.name !== 'common')
  .map(({ name }) => name)
const boards = await Promise.all(
  names.map(
    async (name) => [name, ((await import(join(folder, name, 'board.ts'))) as { board: Board }).board] as const,
  ),
)

/** A GPT with 128 entries ends at sector 34; the first partition begins at 1 MiB. */
const gptEnd = 34 * 512
const firstPartition = 2 ** 20

test('the boards that the README promises are there', () => {
  expect(names.toSorted()).toEqual(
    [
      'espressobin',
      'generic-x86-64',
      'ls1028a-rdb',
      'nanopi-neo2',
      'qemu-arm64',
      'qemu-x86_64',
      'raspberry-pi-4',
    ].toSorted(),
  )
})

describe.each(boards)('%s', (name, board) => {
  test('has its folder’s name', () => expect(board.name).toBe(name))

  test('has one WAN, and ports that the configuration can name, each found in a way of its own', () => {
    const ports = board.ports.map((port) => port.name)
    expect(board.ports.filter(({ role }) => role === 'wan')).toHaveLength(1)
    expect(ports.filter((port) => !/^(wan|lan)\d$/.test(port))).toEqual([])
    expect(new Set(ports).size).toBe(ports.length)
    expect(new Set(board.ports.map(({ match }) => JSON.stringify(match))).size).toBe(ports.length)
    for (const { name: port, role } of board.ports) expect(port.startsWith(role)).toBe(true)
  })

  test('has engines with drivers and algorithms, and instructions that are synchronous', () => {
    for (const { title, drivers, algorithms, asynchronous, is } of board.engines) {
      expect([title, drivers.length > 0, algorithms.length > 0, asynchronous]).toEqual([
        title,
        true,
        true,
        is === 'device',
      ])
      expect(new Set(algorithms).size).toBe(algorithms.length)
    }
  })

  test('has a watchdog that systemd can feed', () => {
    if (board.watchdog) expect(board.watchdog.seconds).toBeGreaterThanOrEqual(10)
  })

  test('has a README that says how to wire, how to flash, and what was measured', () => {
    const text = readFileSync(join(folder, name, 'README.md'), 'utf8')
    for (const word of [/console/i, /flash/i, /measured/i]) expect(text).toMatch(word)
    if (board.proven.by === 'nothing') expect(text).toMatch(/not tested on hardware/i)
  })
})

describe.each(boards.filter(([, { architecture }]) => architecture === 'arm64'))(
  '%s leans only on what Debian has:',
  (_, board) => {
    test('its device tree and modules', () => {
      if (board.deviceTree) expect(kernel.deviceTrees).toContain(board.deviceTree)
      const engines = board.engines.flatMap(({ module }) => module ?? [])
      const modules = [
        ...board.diskModules,
        ...board.modules,
        ...engines,
        ...(board.watchdog?.module ? [board.watchdog.module] : []),
      ]
      expect(
        modules
          .map((module) => module.replaceAll('-', '_'))
          .filter((module) => !(kernel.modules as readonly string[]).includes(module)),
      ).toEqual([])
    })

    test('its boot loader, which overlaps neither the partition table nor a partition', () => {
      if (board.boot.loader !== 'u-boot-efi') return
      const { uBoot } = board.boot
      if (uBoot.is === 'in-image') {
        let end: number = gptEnd
        for (const { file, offset } of uBoot.parts) {
          const octets = packages[uBoot.package]?.files[file]
          expect(octets, `${uBoot.package}: ${file}`).toBeDefined()
          expect(offset).toBeGreaterThanOrEqual(end)
          end = offset + octets!
        }
        expect(end).toBeLessThanOrEqual(firstPartition)
      }
      if (uBoot.is === 'in-esp') {
        const seen = new Set(uBoot.packages.flatMap((name) => Object.keys(packages[name]?.files ?? {})))
        const guessed = Object.values(uBoot.files).filter((file) => !seen.has(file) && file !== 'boot/board.dtb')
        expect(guessed).toEqual([])
      }
    })
  },
)

test('a folder without board.ts is no board', () => {
  expect(names.filter((name) => !existsSync(join(folder, name, 'board.ts')))).toEqual([])
})
