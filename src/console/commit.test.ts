// The way of a configuration into use and back: by failure, by time, by reboot, by a power cut at every operation.
import { describe, expect, test } from 'vitest'
import { configFile, FakeDevice, leastConfiguration } from '../../test/fakes/console-device.ts'
import { PowerCut, type Unsynced } from '../../test/fakes/memory-disk.ts'
import { Archive } from './archive.ts'
import { commit, confirm } from './commit.ts'
import { guard, resume, rollBack, rollBackAtBoot } from './roll-back.ts'

const other = leastConfiguration.replace('gw1', 'gw2')
const third = leastConfiguration.replace('gw1', 'gw3')
const refused = `${leastConfiguration.replace('gw1', 'gw9')}# refuse-me\nsystem: { timezone: UTC }\n`

function board(configuration: string | undefined = leastConfiguration) {
  const device = new FakeDevice(configuration)
  const archive = new Archive(device.disk, device.config)
  const put = (text: string, minutes?: number) =>
    commit(device, archive, { text, who: 'admin', comment: 'a test', minutes })
  return { device, archive, put, file: () => device.disk.read(configFile) }
}

describe('commit', () => {
  test('files that a configuration names and that are not on the board: refused; a list only under strict revocation', async () => {
    const { put, file, device } = board()
    const certified = (more = '') => `remoteAccess:
  addressPool: 10.99.0.10-10.99.0.250
  certificates:
    authorities: { file: pki/ca.pem }
    certificate: { file: /config/pki/gw.pem }
    key: { file: /config/pki/gw.key }
    crls: [ /config/pki/crl.pem ]${more}
users: [ { name: alice, password: wonderland } ]
`
    const missing = (path: string) => `there is no file ${path} on this machine`
    await expect(put(certified())).rejects.toThrow(missing('/config/pki/ca.pem'))
    for (const name of ['ca.pem', 'gw.pem']) device.disk.files.set(`/config/pki/${name}`, '-----BEGIN CERTIFICATE-----')
    device.disk.files.set('/config/pki/gw.key', '-----BEGIN PRIVATE KEY-----')
    await expect(put(certified('\n    revocation: strict'))).rejects.toThrow(
      `line 7, column 13: crls: ${missing('/config/pki/crl.pem')}`,
    )
    expect([file(), device.ran]).toEqual([leastConfiguration, []])
    expect(await put(certified())).toEqual([
      'the gateway has taken the configuration into use',
      `line 7, column 13: warning: crls: ${missing('/config/pki/crl.pem')}; a revocation list that is there, or its http address, is right`,
    ])
    device.disk.files.set('/config/pki/crl.pem', 'a list')
    expect(await put(certified('\n    revocation: strict'))).toEqual([
      'the gateway has taken the configuration into use',
    ])
  })

  test('replaces the file, has the gateway read it, keeps both revisions', async () => {
    const { archive, put, file, device } = board()
    expect(await put(other)).toEqual(['the gateway has taken the configuration into use'])
    expect(file()).toBe(other)
    expect(device.ran).toEqual(['reload'])
    expect(archive.pending()).toBeUndefined()
    expect(archive.revisions()).toEqual([
      { number: 2, at: '2026-01-01T00:00:00.000Z', who: 'admin', comment: 'a test' },
      { number: 1, at: '2026-01-01T00:00:00.000Z', who: 'found', comment: 'as it was found' },
    ])
    expect([archive.textOf(1), archive.textOf(2)]).toEqual([leastConfiguration, other])
  })

  test('a faulty candidate changes nothing and says line and column', async () => {
    const { put, file, device } = board()
    await expect(put(other.replace('250', '2500'))).rejects.toThrow(
      'nothing is changed: line 5, column 16: remoteAccess.addressPool',
    )
    expect(file()).toBe(leastConfiguration)
    expect(device.disk.operations).toBe(0)
  })

  test('a gateway that refuses: the old configuration is in use again', async () => {
    const { put, file, device, archive } = board()
    device.reloadFault = 'port 500 is taken'
    await expect(put(refused)).rejects.toThrow('port 500 is taken; the earlier configuration is in use again')
    expect(file()).toBe(leastConfiguration)
    expect(device.ran).toEqual(['system apply', 'reload', 'system apply', 'reload'])
    expect(archive.claimed()).toBeUndefined()
    expect(archive.revisions().map(({ comment }) => comment)).toEqual(['as it was found'])
  })

  test('a system that refuses: the gateway never sees the new one', async () => {
    const { put, file, device } = board()
    device.applyFault = 'there is no port wan7'
    await expect(put(refused)).rejects.toThrow('there is no port wan7; the earlier')
    expect(file()).toBe(leastConfiguration)
  })

  test('the first configuration that fails leaves none', async () => {
    const { put, file, device } = board('')
    device.disk.files.clear()
    device.reloadFault = 'no'
    await expect(put(refused)).rejects.toThrow('no; there is no configuration, as before')
    expect(file()).toBeUndefined()
    // Closed again, and the gateway with what is gone is stopped.
    expect(device.ran).toEqual(['system apply', 'reload', 'system apply', 'reload'])
  })

  test('fifty revisions are kept', async () => {
    const { put, archive } = board()
    for (let i = 0; i < 60; i++) await put(leastConfiguration.replace('gw1', `host${i}`))
    const numbers = archive.revisions().map(({ number }) => number)
    expect(numbers).toEqual(Array.from({ length: 50 }, (_, i) => 61 - i))
  })
})

describe('commit confirmed', () => {
  /** A guard in virtual time. */
  const guardOf = (device: FakeDevice, archive: Archive, before: (ms: number) => void = () => {}) =>
    guard(device, archive, async (ms) => {
      device.monotonic += ms
      before(device.monotonic)
    })

  test('goes back by itself when its time is over, to the second', async () => {
    const { device, archive, put, file } = board()
    await put(other, 5)
    expect([file(), device.guards, archive.pending()?.stage]).toEqual([other, 1, 'confirmation'])
    const from = device.monotonic
    expect(await guardOf(device, archive)).toBe('the earlier configuration is in use again')
    expect(device.monotonic - from).toBe(300_000)
    expect(file()).toBe(leastConfiguration)
    expect(archive.revisions()[0]!.comment).toBe('rolled back: it was not confirmed in time')
  })

  test('stays where it is confirmed before', async () => {
    const { device, archive, put, file } = board()
    await put(other, 5)
    const said = await guardOf(device, archive, (now) => {
      if (now > 1_200_000 && archive.pending()) confirm(archive)
    })
    expect([said, file()]).toEqual(['the commit was confirmed', other])
    expect(() => confirm(archive)).toThrow('no commit waits')
  })

  test('a clock that jumps by fifty years confirms and rolls back nothing', async () => {
    const { device, archive, put, file } = board()
    device.clock = 0
    await put(other, 5)
    device.clock = Date.parse('2026-11-21T00:00:00Z')
    device.monotonic += 299_000
    expect(await resume(device, archive)).toBeUndefined()
    expect(file()).toBe(other)
    device.monotonic += 1_001
    expect(await resume(device, archive)).toBe('the earlier configuration is in use again')
  })

  test('a reboot rolls back before anything reads the file', async () => {
    const { device, archive, put, file } = board()
    await put(other, 5)
    expect(rollBackAtBoot(device, archive)).toBeUndefined()
    device.boot = 'boot-2'
    device.monotonic = 5
    device.ran.length = 0
    expect(rollBackAtBoot(device, archive)).toContain('is rolled back')
    expect([file(), device.ran]).toEqual([leastConfiguration, []])
    expect(rollBackAtBoot(device, archive)).toBeUndefined()
  })

  test('a console that finds the record of another boot goes back, whatever its deadline', async () => {
    const { device, archive, put, file } = board()
    await put(other, 5)
    device.boot = 'boot-2'
    device.monotonic = 5
    expect(await resume(device, archive)).toBe('the earlier configuration is in use again')
    expect(file()).toBe(leastConfiguration)
  })

  test('a console that starts sees to a guard', async () => {
    const { device, archive, put } = board()
    await put(other, 5)
    await resume(device, archive)
    expect(device.guards).toBe(2)
  })

  test('its minutes count from when it is in use, and it is left alone until then', async () => {
    const { device, archive, put, file } = board()
    device.reload = async () => {
      device.monotonic += 90_000
      expect(await resume(device, archive)).toBeUndefined()
      return 'slowly'
    }
    await put(other, 1)
    expect(archive.pending()!.deadline - device.monotonic).toBe(60_000)
    expect(file()).toBe(other)
  })

  test('rolled back while it was still being taken into use: not called a success', async () => {
    const { device, archive, put, file } = board()
    device.reload = async () => {
      if (file() !== other) return 'back'
      device.monotonic += 600_001
      await resume(device, archive)
      return 'at last'
    }
    await expect(put(other)).rejects.toThrow('it took too long; it was rolled back meanwhile')
    expect(file()).toBe(leastConfiguration)
  })

  test('over one that waits: back means before the first', async () => {
    const { device, archive, put, file } = board()
    await put(other, 5)
    await put(third, 1)
    device.monotonic += 60_001
    await resume(device, archive)
    expect(file()).toBe(leastConfiguration)
  })

  test('a plain commit over one that waits is refused', async () => {
    const { put, file } = board()
    await put(other, 5)
    await expect(put(third)).rejects.toThrow('"confirm" keeps it')
    expect(file()).toBe(other)
  })

  test('two who roll back at once: one does', async () => {
    const { device, archive, put } = board()
    await put(other, 5)
    device.ran.length = 0
    const [one, two] = await Promise.all([rollBack(device, archive, 'a'), rollBack(device, archive, 'b')])
    expect([one, two].filter((said) => said !== undefined).length).toBeGreaterThanOrEqual(1)
    expect(device.disk.read(configFile)).toBe(leastConfiguration)
    expect(archive.claimed()).toBeUndefined()
  })

  test('the process that applies it dies: the next console goes back', async () => {
    const { device, archive, put, file } = board()
    await put(other, 5)
    archive.setPending({ ...archive.pending()!, stage: 'applying', process: 4711 })
    expect(await resume(device, archive)).toBeUndefined()
    device.dead.add(4711)
    await resume(device, archive)
    expect(file()).toBe(leastConfiguration)
  })
})

describe('a power cut at every operation', () => {
  const ways: readonly Unsynced[] = ['kept', 'lost', 'lost in history']

  /** Runs an action with the power cut at operation n, boots, and looks. True while there was an operation n. */
  async function cut(
    n: number,
    way: Unsynced,
    action: (b: ReturnType<typeof board>) => Promise<unknown>,
    look: (text: string | undefined, done: boolean) => void,
  ) {
    const b = board()
    b.device.disk.cutAt(n, way)
    let done = false
    try {
      await action(b)
      done = true
    } catch (error) {
      if (!(error instanceof PowerCut) && !/power/.test((error as Error).message)) throw error
    }
    b.device.disk.restart()
    b.device.boot = 'boot-2'
    const archive = new Archive(b.device.disk, configFile)
    rollBackAtBoot(b.device, archive)
    expect([archive.pending(), archive.claimed()]).toEqual([undefined, undefined])
    for (const { number } of archive.revisions()) expect([leastConfiguration, other]).toContain(archive.textOf(number))
    look(archive.current(), done)
    return !done
  }

  test.each(ways)('of a commit (unsynced names %s): the old configuration or the new one, as a whole', async (way) => {
    const seen = new Set<string | undefined>()
    let n = 1
    while (
      await cut(
        n,
        way,
        ({ put }) => put(other),
        (text) => seen.add(text),
      )
    )
      n++
    expect(n).toBeGreaterThan(10)
    expect(seen).toEqual(new Set([leastConfiguration, other]))
  })

  test.each(ways)('of a commit that waits (%s): the old one, always', async (way) => {
    let n = 1
    while (
      await cut(
        n,
        way,
        ({ put }) => put(other, 5),
        (text) => expect(text).toBe(leastConfiguration),
      )
    )
      n++
    expect(n).toBeGreaterThan(10)
  })

  test.each(ways)('of a roll-back (%s): the old one', async (way) => {
    for (let n = 1; n < 40; n++) {
      const b = board()
      await b.put(other, 5)
      b.device.monotonic += 300_001
      b.device.disk.cutAt(n, way)
      await resume(b.device, b.archive).catch(() => {})
      b.device.disk.restart()
      b.device.boot = 'boot-2'
      const archive = new Archive(b.device.disk, configFile)
      rollBackAtBoot(b.device, archive)
      expect(archive.current()).toBe(leastConfiguration)
    }
  })

  test.each(ways)('of a confirmation (%s): one of the two, and nothing waits', async (way) => {
    for (let n = 1; n < 6; n++) {
      const b = board()
      await b.put(other, 5)
      b.device.disk.cutAt(n, way)
      try {
        confirm(b.archive)
      } catch {}
      b.device.disk.restart()
      b.device.boot = 'boot-2'
      const archive = new Archive(b.device.disk, configFile)
      rollBackAtBoot(b.device, archive)
      expect([leastConfiguration, other]).toContain(archive.current())
      expect(archive.pending()).toBeUndefined()
    }
  })
})
