// The log to a server by rsyslog itself, the clock from an NTP server by timesyncd itself, and the last known time.
import { mkdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { must, until } from '../interop/lab/run.ts'
import { configured, isRoot, textOf, World } from './world.ts'

const scripts = join(import.meta.dirname, '../../images/overlay/usr/lib/gatehouse')
const peers = `python3 ${import.meta.dirname}/peers.py`

describe.skipIf(!isRoot)('logs and clock (needs root)', () => {
  let world: World

  beforeEach(async () => {
    world = await World.open()
    await world.in('isp', 'ip addr add 192.0.2.9/24 dev isp0')
    await world.in('board', 'ip link set wan0 up; ip addr add 192.0.2.2/24 dev wan0')
  })

  afterEach(() => world?.close())

  /** rsyslog on a socket of the world's own in the place of the journal's. */
  function rsyslog(protocol: 'udp' | 'tcp'): string {
    const socket = join(world.folder, 'journal')
    const wanted = textOf(
      configured(`syslog: { server: 192.0.2.9, port: 5514, protocol: ${protocol} }`),
      '/etc/gatehouse/rsyslog.conf',
    )
    const file = join(world.folder, 'rsyslog.conf')
    writeFileSync(
      file,
      wanted.replace('/run/systemd/journal/syslog', socket).replace('/run/gatehouse-syslog', world.folder),
    )
    world.start('board', `exec rsyslogd -n -iNONE -f ${file}`)
    return socket
  }

  const line = /^<30>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}[+-]\d\d:\d\d \S+ gatehouse 4711 - - alice logged in$/
  const lineOf = (text: string) => text.split('\n').find((one) => one.includes('alice'))

  test('the journal’s lines reach a server by UDP, one a datagram (RFC 5424, 5426)', async () => {
    const server = world.start('isp', `exec ${peers} syslog-udp 5514`)
    await until('the server', () => server.text().includes('listening'))
    const socket = rsyslog('udp')
    await until('the socket', () => statSync(socket, { throwIfNoEntry: false }))
    await world.in('board', `${peers} log ${socket} '<30>Nov 21 10:00:00 gatehouse[4711]: alice logged in'`)
    await until('the line', () => server.text().includes('alice'))
    expect(lineOf(server.text())).toMatch(line)
  })

  test('and by TCP with octet counting (RFC 6587); a server that comes later gets what was kept', async () => {
    const socket = rsyslog('tcp')
    await until('the socket', () => statSync(socket, { throwIfNoEntry: false }))
    await world.in('board', `${peers} log ${socket} '<30>Nov 21 10:00:00 gatehouse[4711]: alice logged in'`)
    const server = world.start('isp', `exec ${peers} syslog-tcp 5514`)
    await until('the line', () => server.text().includes('alice'), { timeoutMs: 30_000 })
    expect(lineOf(server.text())).toMatch(line)
  })

  test('timesyncd asks the server that the configuration names', async () => {
    const server = world.start('isp', `exec ${peers} ntp`)
    await until('the server', () => server.text().includes('listening'))
    const folder = join(world.folder, 'etc')
    mkdirSync(folder)
    writeFileSync(
      join(folder, '50-gatehouse.conf'),
      textOf(configured('ntp: [192.0.2.9]'), '/etc/systemd/timesyncd.conf.d/50-gatehouse.conf'),
    )
    // A network that networkd calls online, and a user namespace, in which nobody may set the machine's clock.
    const inside = join(world.folder, 'inside')
    writeFileSync(
      inside,
      `until grep -q 65534 /proc/self/uid_map; do sleep 0.1; done
      mount -t tmpfs run /run; mkdir -p /run/systemd/netif/links /run/systemd/timesync /etc/systemd/timesyncd.conf.d
      printf 'OPER_STATE=routable\\nONLINE_STATE=online\\n' > /run/systemd/netif/state
      mount --bind ${folder} /etc/systemd/timesyncd.conf.d
      chown systemd-timesync: /run/systemd/timesync
      SYSTEMD_LOG_LEVEL=debug exec setpriv --reuid 0 --regid 0 --clear-groups /usr/lib/systemd/systemd-timesyncd`,
    )
    const said = world.start(
      'board',
      `unshare --user --mount sh -e ${inside} & sleep 1; echo 0 0 65534 > /proc/$!/uid_map; echo 0 0 65534 > /proc/$!/gid_map; wait`,
    )
    await until('a question', () => /asked by 192\.0\.2\.2/.test(server.text()), { timeoutMs: 30_000 })
    await until('an answer', () =>
      /Contacted time server 192\.0\.2\.9|clock_adjtime|192\.0\.2\.9:123/i.test(said.text()),
    )
    expect(said.text()).not.toMatch(/debian\.pool\.ntp\.org|unknown (key|section)/i)
  })

  describe('the last known time', () => {
    const clock = `${scripts}/clock`
    let root: string
    beforeEach(() => {
      root = join(world.folder, 'root')
      for (const path of ['config', 'etc/gatehouse', 'bin', 'run/systemd/timesync'])
        mkdirSync(join(root, path), { recursive: true })
      // `date` of our own: it says the time that the test gave it, and notes what it is set to.
      const date = `#!/bin/sh\ncase $* in *-s*) echo "$3" > ${root}/set ;; +%s) cat ${root}/now ;; *) /bin/date "$@" ;; esac\n`
      writeFileSync(join(root, 'bin/date'), date, { mode: 0o755 })
      writeFileSync(join(root, 'etc/gatehouse/board'), 'x')
      utimesSync(join(root, 'etc/gatehouse/board'), 2_000, 2_000)
    })
    const now = (seconds: number) => writeFileSync(join(root, 'now'), `${seconds}\n`)
    const call = (what: string) => must('sh', ['-c', `PATH=${root}/bin:$PATH ${clock} ${what} ${root}`])
    const set = () => readFileSync(join(root, 'set'), 'utf8').trim()

    test('at start the clock is not before the image', async () => {
      now(5)
      expect(await call('restore')).toMatch(/^the clock was behind/)
      expect(set()).toBe('@2000')
    })

    test('nor before what was noted', async () => {
      writeFileSync(join(root, 'config/clock'), '')
      utimesSync(join(root, 'config/clock'), 3_000, 3_000)
      now(2_500)
      await call('restore')
      expect(set()).toBe('@3000')
    })

    test('a clock that is ahead is left alone', async () => {
      now(9_000)
      expect(await call('restore')).toBe('')
    })

    test('a note never goes back, but by NTP’s word', async () => {
      const noted = join(root, 'config/clock')
      writeFileSync(noted, '')
      utimesSync(noted, 3_000, 3_000)
      now(2_500)
      await call('save')
      expect(statSync(noted).mtimeMs).toBe(3_000_000)
      writeFileSync(join(root, 'run/systemd/timesync/synchronized'), '')
      await call('save')
      expect(statSync(noted).mtimeMs).toBeGreaterThan(3_000_000)
    })
  })
})
