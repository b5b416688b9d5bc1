// Sessions as a person and as a program have them, on a board in memory.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { configFile, FakeDevice, idleStatus, leastConfiguration } from '../../test/fakes/console-device.ts'
import { consoleOn } from '../../test/fakes/console-line.ts'
import { digestOf, loadLines } from '../control/load-lines.ts'
import { hostKeyOf, seal } from '../control/sealed-bundle.ts'

const withAdmin = `${leastConfiguration}system:
  admin: { password: open sesame }
`
const octetsOf = (text: string) => new TextEncoder().encode(text)

/** A console whose user is logged in. */
async function loggedIn(device = new FakeDevice()) {
  const line = consoleOn(device)
  await line.type('admin\r')
  return { device, ...line }
}

/** The same for a program, in configure mode. */
async function machine(device = new FakeDevice()) {
  const all = await loggedIn(device)
  await all.type('terminal machine\r')
  await all.type('configure\r')
  return all
}

describe('the log-in', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }))
  afterEach(() => void vi.useRealTimers())

  test('with the right password', async () => {
    const { type } = consoleOn(new FakeDevice(withAdmin))
    expect(await type('admin\r')).toBe('gw1 login: admin\nPassword: ')
    expect(await type('open sesame\r')).toBe('\n"?" lists what may be typed, Tab completes it.\ngw1> ')
  })

  test('with a wrong one, and how many there were', async () => {
    const { type } = consoleOn(new FakeDevice(withAdmin))
    await type('admin\r')
    expect(await type('guess\r')).toBe('\nLogin incorrect\ngw1 login: ')
    await type('admin\r')
    expect(await type('open sesame\r')).toContain('1 wrong password since the last log-in')
  })

  test('the fourth and later tries wait twice as long each, at most a minute, and the right password is always let in', async () => {
    const device = new FakeDevice(withAdmin)
    const { type, settle, read } = consoleOn(device)
    const waits: number[] = []
    for (let i = 0; i < 12; i++) {
      const said = await type('admin\r')
      const wait = Number(/next try in (\d+) s/.exec(said)?.[1] ?? 0)
      waits.push(wait)
      if (wait > 0) {
        await type('typed while it waits\r')
        device.monotonic += wait * 1000
        vi.advanceTimersByTime(wait * 1000)
        await settle()
        expect(read()).toBe('Password: ')
      }
      await type(i === 11 ? 'open sesame\r' : 'guess\r')
    }
    expect(waits).toEqual([0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60])
    expect(await type('\r')).toBe('\ngw1> ')
  })

  test('the lock-out outlives the process, and not a new boot', async () => {
    const device = new FakeDevice(withAdmin)
    const first = consoleOn(device)
    for (let i = 0; i < 3; i++) {
      await first.type('admin\r')
      await first.type('guess\r')
    }
    first.hangUp()
    expect(await consoleOn(device).type('admin\r')).toContain('Too many wrong passwords')
    device.boot = 'boot-2'
    expect(await consoleOn(device).type('admin\r')).not.toContain('Too many')
  })

  test('another name is refused as late, and locks nobody out', async () => {
    const { type, settle, read } = consoleOn(new FakeDevice(withAdmin))
    for (let i = 0; i < 5; i++) {
      await type('root\r')
      await type('guess\r')
      vi.advanceTimersByTime(1000)
      await settle()
      expect(read()).toContain('Login incorrect')
    }
    expect(await type('admin\r')).not.toContain('Too many')
  })

  test('noise, empty lines and Ctrl-C at the prompt cost nothing', async () => {
    const { type } = consoleOn(new FakeDevice(withAdmin))
    expect(await type('\x00\xff\x80\x03\r\r\x04\x1b[A')).not.toContain('incorrect')
    await type('admin\r')
    expect(await type('\x03')).toBe('\ngw1 login: ')
    await type('admin\r')
    expect(await type('open sesame\r')).toContain('gw1> ')
  })

  test('a configuration that is faulty elsewhere still has its password', async () => {
    const { type } = consoleOn(new FakeDevice(withAdmin.replace('250', '2500')))
    await type('admin\r')
    expect(await type('wrong\r')).toContain('incorrect')
  })

  test('a configuration without an administrator lets in who holds the cable, and says so', async () => {
    const { type } = consoleOn(new FakeDevice())
    expect(await type('admin\r')).toContain('No administrator password is set')
  })

  test('a silent console logs out', async () => {
    const { type, settle, read } = consoleOn(new FakeDevice(`${withAdmin}  idleLogoutSeconds: 30\n`))
    await type('admin\r')
    await type('open sesame\r')
    vi.advanceTimersByTime(29_000)
    await type('x')
    vi.advanceTimersByTime(29_900)
    await settle()
    expect(read()).toBe('')
    vi.advanceTimersByTime(200)
    await settle()
    expect(read()).toBe('logged out: nothing was typed for a while\ngw1 login: ')
  })
})

describe('commands for a person', () => {
  test('are echoed, abbreviated and answered', async () => {
    const { type } = await loggedIn()
    expect(await type('sh ver\r')).toBe('sh ver\nfirmware: 1.0\ngw1> ')
  })

  test('what is wrong is said in a line', async () => {
    const { type } = await loggedIn()
    expect(await type('show frobs\r')).toBe('show frobs\n"frobs" is not known here; ? lists what is\ngw1> ')
    expect(await type('ping "x\r')).toContain('a quote is open')
  })

  test('? lists and draws the line again', async () => {
    const { type } = await loggedIn()
    expect(await type('terminal l?')).toBe('terminal l\n  length  Rows of the screen\ngw1> terminal l')
  })

  test('Enter after output that is not ours shows the prompt, Ctrl-L the line', async () => {
    const { type } = await loggedIn()
    expect(await type('\r')).toBe('\ngw1> ')
    expect(await type('show\x0c')).toBe('show\ngw1> show')
  })

  test('type-ahead waits for a command to end; Ctrl-C ends it and drops what waits', async () => {
    const device = new FakeDevice()
    device.programs.ping = (_, { signal }) =>
      new Promise((done) => signal?.addEventListener('abort', () => done({ code: 130, text: '3 packets\n' })))
    const { type } = await loggedIn(device)
    expect(await type('ping ::1\rshow version\r')).toBe('ping ::1\n')
    expect(await type('\x03')).toBe('3 packets\ninterrupted\ngw1> ')
    device.programs.ping = () => ({ code: 0, text: 'there\n' })
    expect(await type('ping ::1\rshow version\r')).toBe('ping ::1\nthere\ngw1> show version\nfirmware: 1.0\ngw1> ')
    expect(device.ran.slice(-1)).toEqual(['ping -n -c 5 -- ::1'])
  })

  test('long output stops at --More--; space, Enter and q', async () => {
    const device = new FakeDevice()
    device.programs.ip = () => ({ code: 0, text: Array.from({ length: 60 }, (_, i) => `line ${i}`).join('\n') })
    const { type } = await loggedIn(device)
    await type('terminal length 5\r')
    expect(await type('show routes\r')).toBe('show routes\nline 0\nline 1\nline 2\nline 3\n--More--')
    expect(await type('\r')).toBe('\r        \rline 4\n--More--')
    expect(await type(' ')).toBe('\r        \rline 5\nline 6\nline 7\nline 8\n--More--')
    expect(await type('q')).toBe('\r        \rgw1> ')
  })

  test('what others wrote never reaches the terminal as a control', async () => {
    const device = new FakeDevice()
    device.programs.ip = () => ({ code: 0, text: 'evil \x1b]0;x\x07 \u009b2J name\n' })
    const { type } = await loggedIn(device)
    expect(await type('show routes\r')).toContain('evil \\x1b]0;x\\x07 \\x9b2J name')
  })

  test('a program that is not there, and one that fails', async () => {
    const { type, device } = await loggedIn()
    expect(await type('traceroute ::1\r')).toContain('the program traceroute is not on this machine')
    device.programs.traceroute = () => ({ code: 1, text: 'no route\n' })
    expect(await type('traceroute ::1\r')).toContain('no route\ntraceroute ended with 1\n')
  })

  test('no gateway: said, not crashed', async () => {
    const device = new FakeDevice()
    device.gateway = undefined
    const { type } = await loggedIn(device)
    expect(await type('show sessions\r')).toContain('no gateway runs here')
  })

  test('secrets that are typed are not in the history', async () => {
    const { type } = await loggedIn()
    await type('configure\r')
    await type('set users bob password hunter2hunter2\r')
    expect(await type('\x1b[A')).toBe('configure')
  })

  test('capture and tools get their arguments, bounded', async () => {
    const { type, device } = await loggedIn()
    device.programs = {
      tcpdump: () => ({ code: 0, text: '' }),
      traceroute: () => ({ code: 0, text: '' }),
      gatehouse: () => ({ code: 0, text: '' }),
    }
    await type('capture wan0 matching udp port 500 or -w /etc/passwd\r')
    await type('capture any count 5 verbose\r')
    await type('traceroute www.example.org hops 3\r')
    await type('update https://example.org/a.raucb\r')
    expect(device.ran).toEqual([
      'tcpdump -n -l -i wan0 -c 100 -- udp port 500 or -w /etc/passwd',
      'tcpdump -n -l -i any -c 5 -v --',
      'traceroute -n -m 3 -- www.example.org',
      'gatehouse update install https://example.org/a.raucb',
    ])
  })

  test('disconnect, reboot and factory-reset ask before they do it', async () => {
    const device = new FakeDevice()
    device.gateway = idleStatus
    const { type } = await loggedIn(device)
    expect(await type('disconnect alice\r')).toContain('no session of alice')
    expect(await type('reboot\r')).toContain('Every session ends. [no]: ')
    expect(await type('\r')).toContain('nothing was done')
    await type('factory-reset\r')
    expect(await type('gw2\r')).toContain('this gateway is called gw1')
    expect(device.ran).toEqual(['disconnect alice'])
    await type('factory-reset\r')
    expect(await type('gw1\r')).toContain('This gateway is not configured yet.')
    expect(device.ran).toEqual(['disconnect alice', 'forget everything', 'reboot'])
    expect(device.disk.files.size).toBe(0)
  })

  test('tech-support holds no secret', async () => {
    const device = new FakeDevice(`${withAdmin}# open sesame was also the old one\n`)
    device.programs.dmesg = () => ({ code: 0, text: 'somebody typed wonderland at the login prompt' })
    device.programs.ip = () => ({ code: 0, text: 'an interface' })
    const line = consoleOn(device)
    await line.type('admin\r')
    await line.type('open sesame\r')
    expect(await line.type('tech-support\r')).toMatch(/\d+ octets in \/run\/gatehouse-console\/tech-support\.txt/)
    const text = device.disk.read('/run/gatehouse-console/tech-support.txt')!
    expect(text).toContain('===== ip -statistics address\nan interface')
    expect(text).toContain('somebody typed [secret] at')
    for (const secret of ['wonderland', 'open sesame', 'correct horse battery staple'])
      expect(text).not.toContain(secret)
  })
})

describe('the candidate', () => {
  test('set, show, compare, commit; secrets are never shown', async () => {
    const { type, device } = await loggedIn()
    await type('configure\r')
    await type('set users bob password hunter2hunter2\r')
    await type('set remoteAccess dns 10.99.0.1 9.9.9.9\r')
    await type('set users alice password looking-glass\r')
    expect(await type('compare\r')).toBe(`compare
@@ line 4
   preSharedKey: [secret]
   addressPool: 10.99.0.10-10.99.0.250
+  dns: [ 10.99.0.1, 9.9.9.9 ]
 users:
-  - { name: alice, password: [secret] }
+  - { name: alice, password: [secret, changed] }
+  - name: bob
+    password: [secret]
gw1# `)
    expect(await type('show users\r')).not.toContain('hunter2')
    expect(await type('check\r')).toContain('the candidate is valid')
    expect(await type('commit comment "bob is new"\r')).toContain('the gateway has taken')
    expect(device.disk.read(configFile)).toBe(`# the office
hostname: gw1
remoteAccess:
  preSharedKey: correct horse battery staple
  addressPool: 10.99.0.10-10.99.0.250
  dns: [ 10.99.0.1, 9.9.9.9 ]
users:
  - { name: alice, password: looking-glass }
  - name: bob
    password: hunter2hunter2
`)
    expect(await type('show history\r')).toContain('admin on the console  bob is new')
  })

  test('rollback fetches an earlier one, delete removes, discard drops', async () => {
    const { type, device } = await loggedIn()
    await type('configure\r')
    await type('set hostname gw2\r')
    expect(await type('commit\r')).toContain('gw2# ')
    await type('rollback 1\r')
    expect(await type('compare\r')).toContain('-hostname: gw2\n+hostname: gw1')
    expect(await type('commit\r')).toContain('gw1# ')
    expect(device.disk.read(configFile)).toBe(leastConfiguration)
    await type('delete users alice\r')
    expect(await type('delete users carol\r')).toContain('users carol is not in the configuration')
    expect(await type('compare\r')).toContain('-  - { name: alice')
    await type('discard\r')
    expect(await type('compare\r')).toContain('nothing differs')
  })

  test("an administrator's password that is asked for is kept as a hash", async () => {
    const { type, device } = await loggedIn(
      new FakeDevice(withAdmin.replace('admin: { password: open sesame }', 'ntp: [a.example]')),
    )
    await type('configure\r')
    await type('set system admin password\r')
    await type('new password\r')
    await type('new password\r', /# $/)
    await type('commit\r', /# $/)
    expect(device.disk.read(configFile)).toMatch(/passwordHash: \$scrypt\$/)
    await type('logout\r')
    await type('admin\r')
    expect(await type('new password\r', /> $/)).toContain('gw1> ')
  })

  test('a hang-up keeps it and says so in the log; the next session is told', async () => {
    const { type, device, hangUp, ended } = await loggedIn()
    await type('configure\r')
    await type('set hostname gw7\r')
    hangUp()
    await ended
    expect(device.logged.at(-1)).toBe('console hung up: logged out; the candidate is kept')
    const next = consoleOn(device)
    expect(await next.type('admin\r')).toContain('The candidate has changes from an earlier session')
  })

  test('a hang-up in the middle of a command ends it', async () => {
    const device = new FakeDevice()
    let aborted = false
    device.programs.ping = (_, { signal }) =>
      new Promise((done) =>
        signal?.addEventListener('abort', () => {
          aborted = true
          done({ code: 130, text: '' })
        }),
      )
    const { type, hangUp, ended } = await loggedIn(device)
    await type('ping ::1\r')
    hangUp()
    await ended
    expect(aborted).toBe(true)
  })

  test('load terminal takes what is pasted, until a dot; Ctrl-C drops it', async () => {
    const { type, device } = await loggedIn()
    await type('configure\r')
    const pasted = leastConfiguration.replace('gw1', 'gw5')
    await type('load terminal\r')
    expect(await type(`${pasted.replaceAll('\n', '\r')}.\r`)).toContain('7 lines; "compare" and "check" look at them')
    await type('load terminal\r')
    expect(await type('hostname: gw6\r\x03')).toContain('the candidate is as it was')
    await type('commit\r')
    expect(device.disk.read(configFile)).toBe(pasted)
  })

  test('text that is no YAML is not shown', async () => {
    const { type } = await machine()
    const file = octetsOf('password: "open\n')
    await type(`load ${file.length} ${digestOf(file)}\r`)
    expect(await type(`${loadLines(file)[0]}\r`)).toContain('%ok')
    expect(await type('show\r')).toMatch(
      /%error the candidate is not well-formed, so its secrets can not be told apart/,
    )
    expect(await type('check\r')).toMatch(/%error the candidate is faulty/)
  })
})

describe('a program at the other end', () => {
  const site = octetsOf(leastConfiguration.replace('gw1', 'branch-7'))

  async function send(type: (octets: string) => Promise<string>, file: Uint8Array, sealed = false) {
    const said = [await type(`load ${sealed ? 'sealed ' : ''}${file.length} ${digestOf(file)}\r`)]
    for (const line of loadLines(file)) said.push(await type(`${line}\r`))
    return said
  }

  test('gets no echo and a last line of every answer', async () => {
    const { type } = await loggedIn()
    expect(await type('terminal machine\r')).toBe('terminal machine\n%ok\ngw1> ')
    expect(await type('show version\r')).toBe('\nfirmware: 1.0\n%ok\ngw1> ')
    expect(await type('frob\r')).toBe('\n%error "frob" is not known here; ? lists what is\ngw1> ')
    expect(await type('show board\r')).toContain(
      'serial-number: GH0001\nmac-wan0: 02:00:00:00:00:01\nhost-key: x25519:AAAA\n%ok\n',
    )
    expect(await type('half a line\x03')).toBe('\ngw1> ')
    expect(await type('reboot\r')).toContain('%error nothing was done')
  })

  test('provisions: load, compare, check, commit confirmed, self-test, confirm', async () => {
    const device = new FakeDevice()
    const { type } = await machine(device)
    const said = await send(type, site)
    expect(said[0]).toBe('\n%ready\n')
    expect(said[1]).toBe('%+0\n')
    expect(said.at(-1)).toBe(`%+${said.length - 2}\n%ok\ngw1# `)
    expect(await type('compare\r')).toContain('+hostname: branch-7')
    expect(await type('check\r')).toContain('%ok')
    expect(await type('commit confirmed 5\r')).toContain('%ok\nbranch-7# ')
    device.gateway = { ...idleStatus, hostname: 'branch-7' }
    expect(await type('show self-test\r')).toContain('self-test: passed\n%ok')
    expect(await type('confirm\r')).toContain('%ok')
    expect(await type('compare\r')).toBe('\nnothing differs\n%ok\nbranch-7# ')
    expect(device.disk.read(configFile)).toBe(new TextDecoder().decode(site))
  })

  test('a fresh board: the wizard, the word provision, a first configuration that goes back to none', async () => {
    const device = new FakeDevice()
    device.disk.files.clear()
    const { type } = consoleOn(device)
    expect(await type('')).toMatch(/Set it up now: yes or no \[yes\]: $/)
    expect(await type('provision\r')).toContain('gatehouse> ')
    await type('terminal machine\rconfigure\r')
    await send(type, site)
    expect(await type('commit confirmed 1\r')).toContain('%ok\nbranch-7# ')
    expect(await type('commit cancel\r')).toContain('there is no configuration, as before\n%ok\ngatehouse# ')
    expect(device.disk.read(configFile)).toBeUndefined()
  })

  test('a sealed bundle', async () => {
    const device = new FakeDevice()
    const { type } = await machine(device)
    const said = await send(type, seal(site, hostKeyOf(device.key)), true)
    expect(said.at(-1)).toContain('%ok')
    expect(await type('show hostname\r')).toContain('branch-7\n%ok')
    device.key = new FakeDevice().key
    const other = await send(type, seal(site, hostKeyOf(new FakeDevice().key)), true)
    expect(other.at(-1)).toContain("%error the bundle is sealed to another board's key")
    expect(await type('show hostname\r')).toContain('branch-7')
  })

  test('damaged, repeated and foreign lines, in any order', async () => {
    const { type } = await machine()
    const lines = loadLines(site)
    await type(`load ${site.length} ${digestOf(site)}\r`)
    expect(await type(`${lines[1]}\r`)).toBe('%+1\n')
    expect(await type(`${lines[0]!.replace(/[0-9a-f]$/, 'x')}\r`)).toBe('%?\n')
    expect(await type(`${lines[0]!.replace(/.$/, (c) => (c === '0' ? '1' : '0'))}\r`)).toBe('%-0\n')
    expect(await type('\xff\xfe\x03\r')).toBe('%?\n')
    expect(await type('\r')).toBe('%?\n')
    expect(await type(`${lines[1]}\r`)).toBe('%+1\n')
    expect(await type(`${lines[0]}\n`)).toBe('%+0\n')
    let last = ''
    for (const line of lines.slice(2)) last = await type(`${line}\r`)
    expect(last).toContain('%ok')
    expect(await type(`${lines.at(-1)}\r`)).toBe(`\n%+${lines.length - 1}\n%ok\ngw1# `)
    await type('compare\r')
    expect(await type(`${lines.at(-1)}\r`)).toContain('%error')
  })

  test('a wrong SHA-256: the candidate is as it was', async () => {
    const { type } = await machine()
    await type(`load ${site.length} ${'0'.repeat(64)}\r`)
    let last = ''
    for (const line of loadLines(site)) last = await type(`${line}\r`)
    expect(last).toMatch(/%error the SHA-256 is/)
    expect(await type('compare\r')).toContain('nothing differs')
  })

  test('more than was announced, nothing, too much', async () => {
    const { type } = await machine()
    await type(`load 10 ${digestOf(site)}\r`)
    expect(await type(`${loadLines(site)[0]}\r`)).toContain('%error line 0 goes beyond the 10 octets')
    expect(await type(`load 0 ${digestOf(site)}\r`)).toContain('%error 1 to 1000000 octets are right')
    expect(await type(`load 9999999 ${digestOf(site)}\r`)).toContain('%error 1 to 1000000 octets are right')
    expect(await type('load 5 abc\r')).toContain('%error "abc": a SHA-256 of 64 hex digits is right')
  })

  test('ten seconds without a line: timeout, the candidate is as it was', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
    try {
      const { type, settle, read } = await machine()
      await type(`load ${site.length} ${digestOf(site)}\r`)
      await type(`${loadLines(site)[0]}\r`)
      vi.advanceTimersByTime(9_000)
      await type('noise\r')
      vi.advanceTimersByTime(1_100)
      await settle()
      expect(read()).toBe('%error timeout\ngw1# ')
      expect(await type('compare\r')).toContain('nothing differs')
    } finally {
      vi.useRealTimers()
    }
  })

  test('a hang-up in the middle of a load: the candidate is as it was', async () => {
    const { type, device, hangUp, ended } = await machine()
    await type(`load ${site.length} ${digestOf(site)}\r`)
    await type(`${loadLines(site)[0]}\r`)
    hangUp()
    await ended
    expect(device.disk.read('/run/gatehouse-console/candidate.yaml')).toBeUndefined()
  })
})
