import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { activate } from './activate.ts'
import { apply, preview } from './apply.ts'
import { changesOf, undo, write } from './disk.ts'
import type { Concern, SystemFile } from './file.ts'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'gatehouse-apply-'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const text = (path: string, content: string, concern: Concern = 'time', mode = 0o644): SystemFile => ({
  path,
  concern,
  is: 'text',
  text: content,
  mode,
})
const absent = (path: string, concern: Concern = 'time'): SystemFile => ({ path, concern, is: 'absent' })

function put(path: string, content: string, mode = 0o644): void {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), content)
  chmodSync(join(root, path), mode)
}

const read = (path: string) => readFileSync(join(root, path), 'utf8')

describe('files', () => {
  test('are written, changed, linked and taken away, and then nothing is left to do', async () => {
    put('/etc/old', 'old')
    put('/etc/gone', 'gone')
    const files: SystemFile[] = [
      text('/etc/new/deep', 'new', 'pppoe', 0o600),
      text('/etc/old', 'new'),
      { path: '/etc/zone', concern: 'timezone', is: 'link', target: '/usr/share/zoneinfo/UTC' },
      absent('/etc/gone'),
      absent('/etc/never'),
    ]
    expect(await apply(files, root, undefined)).toEqual({
      changed: ['+ /etc/new/deep', '~ /etc/old', '+ /etc/zone', '- /etc/gone'],
      activated: [],
    })
    expect([
      read('/etc/new/deep'),
      read('/etc/old'),
      readlinkSync(join(root, '/etc/zone')),
      existsSync(join(root, '/etc/gone')),
    ]).toEqual(['new', 'new', '/usr/share/zoneinfo/UTC', false])
    expect(statSync(join(root, '/etc/new/deep')).mode & 0o777).toBe(0o600)
    expect((await apply(files, root, undefined)).changed).toEqual([])
  })

  test('a mode that is not as it should be is a change', async () => {
    put('/etc/secret', 'same', 0o644)
    expect((await apply([text('/etc/secret', 'same', 'pppoe', 0o600)], root, undefined)).changed).toEqual([
      '~ /etc/secret',
    ])
    expect(statSync(join(root, '/etc/secret')).mode & 0o777).toBe(0o600)
  })

  test('a link in the place of a file is replaced, and what it points at is left alone', async () => {
    put('/etc/elsewhere', 'mine')
    await apply([{ path: '/etc/file', concern: 'time', is: 'link', target: 'elsewhere' }], root, undefined)
    await apply([text('/etc/file', 'new')], root, undefined)
    expect([read('/etc/elsewhere'), read('/etc/file')]).toEqual(['mine', 'new'])
  })

  test('one that can’t be written: nothing was changed', () => {
    put('/etc/first', 'before')
    put('/etc/blocked', 'a file where a folder is needed')
    const files = [text('/etc/first', 'after'), text('/etc/second', 'new'), text('/etc/blocked/third', 'x')]
    const changes = files.map((wanted) => ({
      wanted,
      before: wanted.path === '/etc/first' ? text('/etc/first', 'before') : absent(wanted.path),
    }))
    expect(() => write(changes, root)).toThrow(/blocked\/third can't be written: .*; nothing was changed/)
    expect([read('/etc/first'), existsSync(join(root, '/etc/second'))]).toEqual(['before', false])
  })

  test('a folder in the place of a file is an error that names it', () => {
    mkdirSync(join(root, 'etc/hostname'), { recursive: true })
    expect(() => changesOf([text('/etc/hostname', 'x')], root)).toThrow(/etc\/hostname is neither a file nor a link/)
  })

  test('undo puts back what was there', () => {
    put('/etc/a', 'before')
    const changes = changesOf([text('/etc/a', 'after'), text('/etc/b', 'new')], root)
    write(changes, root)
    undo(changes, root)
    expect([read('/etc/a'), existsSync(join(root, '/etc/b'))]).toEqual(['before', false])
  })
})

test('a preview shows what would change, and no secret', () => {
  put('/etc/a', 'before')
  const files = [text('/etc/a', 'after\nsecond\n'), text('/etc/key', 'tiger', 'pppoe', 0o600), absent('/etc/b')]
  expect(preview(files, root)).toBe(
    '~ /etc/a (0644)\n    after\n    second\n+ /etc/key (0600)\n    (it holds a secret)\n',
  )
  expect(read('/etc/a')).toBe('before')
})

/** A machine on which these units run; it says what was run. */
function machine(active: readonly string[], failing = /^never$/) {
  const ran: string[] = []
  return {
    ran,
    machine: {
      run: async (command: string, args: readonly string[]) => {
        const line = [command, ...args].join(' ')
        if (line.startsWith('systemctl is-active')) {
          if (active.includes(args.at(-1)!)) return ''
          throw new Error('inactive')
        }
        if (line.startsWith('systemctl show -P ActiveState'))
          return active.includes(args.at(-1)!) ? 'active\n' : 'activating\n'
        ran.push(line)
        if (failing.test(line)) throw new Error(`${line}: it failed`)
        return ''
      },
      writeFile: (path: string, content: string) => void ran.push(`write ${path} ${content}`),
    },
  }
}

const up = [
  'systemd-networkd.service',
  'systemd-timesyncd.service',
  'systemd-journald.service',
  'gatehouse-system.service',
  'gatehouse-pppoe.service',
]

describe('services are told', () => {
  test('only of what changed', async () => {
    const { machine: running, ran } = machine(up)
    expect(await activate([text('/etc/x', 'x', 'time')], running)).toEqual(['systemd-timesyncd.service was restarted'])
    expect(ran).toEqual(['systemctl restart systemd-timesyncd.service'])
  })

  test('in order: the firewall first, PPPoE after the network', async () => {
    const { machine: running, ran } = machine(up)
    const files = [
      text('/etc/gatehouse/rsyslog.conf', 'x', 'syslog'),
      text('/etc/ppp/peers/gatehouse-wan', 'x', 'pppoe'),
      text('/etc/systemd/network/50-gatehouse-wan.network', 'x', 'network'),
      text('/etc/hostname', 'gw2\n', 'hostname'),
      text('/etc/gatehouse/firewall.nft', 'x', 'firewall'),
    ]
    await activate(files, running)
    expect(ran).toEqual([
      'nft -f /etc/gatehouse/firewall.nft',
      'write /proc/sys/kernel/hostname gw2',
      'networkctl reload',
      'systemctl restart gatehouse-pppoe.service',
      'systemctl restart gatehouse-syslog.service',
    ])
  })

  test('resolvers without waiting: at start their unit comes after the one that tells them', async () => {
    const { machine: starting, ran } = machine(['gatehouse-resolvers.path'])
    await activate([text('/etc/gatehouse/resolvers', 'x', 'resolvers')], starting)
    expect(ran).toEqual(['systemctl restart --no-block gatehouse-resolvers.service'])
  })

  test('that are no longer wanted to stop, and the bridge to go', async () => {
    const { machine: running, ran } = machine(up)
    const files = [
      absent('/etc/ppp/peers/gatehouse-wan', 'pppoe'),
      absent('/etc/systemd/network/50-gatehouse-lan.netdev', 'network'),
    ]
    await activate(files, running)
    expect(ran).toEqual(['networkctl delete lan', 'networkctl reload', 'systemctl stop gatehouse-pppoe.service'])
  })

  test('at start, before they run, nothing: they read the files when they come', async () => {
    const { machine: starting, ran } = machine([])
    const files = [
      text('/etc/a', 'x', 'network'),
      text('/etc/ppp/peers/gatehouse-wan', 'x', 'pppoe'),
      text('/etc/b', 'x', 'time'),
    ]
    expect(await activate(files, starting)).toEqual([])
    expect(ran).toEqual([])
  })
})

describe('apply as a whole', () => {
  const wanted = [text('/etc/gatehouse/firewall.nft', 'new', 'firewall'), text('/etc/x', 'new', 'network')]

  test('tries the firewall before anything is written', async () => {
    const { machine: running } = machine(up, /^nft -c/)
    await expect(apply(wanted, root, running)).rejects.toThrow('nft -c -f -: it failed')
    expect(existsSync(join(root, '/etc/x'))).toBe(false)
  })

  test('a service that fails: files and services are as they were', async () => {
    put('/etc/gatehouse/firewall.nft', 'old')
    put('/etc/x', 'old')
    let times = 0
    const { machine: running, ran } = machine(up)
    const failing = {
      ...running,
      run: async (command: string, args: readonly string[]) => {
        if (command === 'networkctl' && ++times === 1) throw new Error('networkctl reload: no')
        return running.run(command, args)
      },
    }
    await expect(apply(wanted, root, failing)).rejects.toThrow('networkctl reload: no; everything is as it was')
    expect([read('/etc/gatehouse/firewall.nft'), read('/etc/x')]).toEqual(['old', 'old'])
    expect(ran).toEqual([
      'nft -c -f -',
      'nft -f /etc/gatehouse/firewall.nft',
      'nft -f /etc/gatehouse/firewall.nft',
      'networkctl reload',
    ])
  })

  test('a service that fails again: that is said too', async () => {
    put('/etc/x', 'old')
    const { machine: running } = machine(up, /^networkctl/)
    await expect(apply([wanted[1]!], root, running)).rejects.toThrow(
      'networkctl reload: it failed; the files are as they were, but going back failed too: networkctl reload: it failed',
    )
    expect(read('/etc/x')).toBe('old')
  })
})
