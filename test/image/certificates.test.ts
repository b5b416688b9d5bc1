// A board that is its own authority: the wizard's third kind of key, a daemon without privileges that reads what it needs, more certificates on the command
// line, the list's renewal when the clock is set, and a reset that leaves nothing of it.
import { rmSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { until } from '../interop/lab/run.ts'
import { diskFrom, ensureImage, scratchFolder } from './images.ts'
import { Machine } from './machine.ts'

const admin = 'image test password'

/** The wizard's questions, by what they begin with, and what is typed. */
const answers: readonly (readonly [RegExp, string])[] = [
  [/Set it up now/, 'yes'],
  [/Name of this gateway/, 'gw7'],
  [/Administrator password/, admin],
  [/The same again/, admin],
  [/Port to the internet/, ''],
  [/How its address comes/, 'dhcp'],
  [/Address on the LAN/, ''],
  [/Key of all clients/, 'certificates'],
  [/Name or address that clients dial/, 'vpn.example.org'],
  [/First user/, 'bob'],
  [/The user's password/, 'wonderland wonderland'],
  [/Write this/, 'yes'],
]

// One story, from the factory to the reset.
describe.runIf(process.getuid?.() === 0)('a board that is its own authority', { retry: 0 }, () => {
  let scratch: string
  let board: Machine

  beforeAll(async () => {
    scratch = scratchFolder()
    const disk = await diskFrom(await ensureImage('qemu-x86_64'), scratch)
    board = await Machine.start({ firmware: 'bios', disk, scratch })
    await board.booted(900_000)
  })
  afterAll(async () => {
    await board?.cut()
    rmSync(scratch, { recursive: true, force: true })
  })

  const typed = async (line: string) => {
    board.console.send(`${line}\r`)
    return board.console.expect(/gw7> /, 300_000)
  }

  test('the wizard makes it and shows the bundle of the first client', async () => {
    for (const [question, answer] of answers) {
      await board.console.expect(new RegExp(`${question.source}[^\\n]*\\]: `), 900_000)
      board.console.send(`${answer}\r`)
    }
    const said = await board.console.expect(/Done\. Clients dial vpn\.example\.org[\s\S]*gw7> /, 900_000)
    expect(said).toMatch(/-----BEGIN PKCS12-----[\s\S]*-----END PKCS12-----\r\nIts password: \S+ /)
  })

  test('the daemon serves with it, without privileges, and reads no more than it needs', async () => {
    await until(
      'the gateway to serve',
      async () => (await board.sh('gatehouse status --state /run/gatehouse')).code === 0,
      {
        timeoutMs: 400_000,
        everyMs: 2000,
      },
    )
    expect(await board.must('gatehouse check /config/gatehouse.yaml')).toContain('is valid')
    expect(await board.must('cd /config/pki; stat -c "%a %U:%G %n" . ca.key vpn.example.org.key bob.p12 crl.pem')).toBe(
      [
        '750 root:gatehouse .',
        '600 root:root ca.key',
        '640 root:gatehouse vpn.example.org.key',
        '600 root:root bob.p12',
        '644 root:root crl.pem',
      ].join('\n'),
    )
    const began = await board.must('stat -c %Y /etc/gatehouse/board')
    const script =
      'new (require("crypto").X509Certificate)(require("fs").readFileSync("/config/pki/bob.pem")).validFrom'
    const from = await board.must(`/opt/gatehouse/node_modules/node-linux-*/bin/node -p '${script}'`)
    expect(Date.parse(from)).toBeLessThanOrEqual(Number(began) * 1000)
  })

  test('the command line issues and revokes', async () => {
    expect(await typed('certificate issue carol')).toContain('-----END PKCS12-----')
    expect(await typed('certificate revoke bob')).toContain('the gateway has taken the configuration into use')
    expect(await typed('certificate list')).toMatch(/bob +client +revoked .*\r\ncarol +client +until /)
  })

  test('the clock is set 40 days ahead: the list is made anew by itself', async () => {
    const before = await board.must('systemctl is-active gatehouse-certificates.timer; sha256sum /config/pki/crl.pem')
    expect(before).toMatch(/^active\n/)
    await board.must('systemctl stop systemd-timesyncd; date -u -s "+40 days"')
    await until('another list', async () => !before.includes(await board.must('sha256sum /config/pki/crl.pem')), {
      timeoutMs: 400_000,
      everyMs: 2000,
    })
    expect(await board.must('journalctl -u gatehouse-certificates --no-pager')).toContain('is made anew')
  })

  test('a reset leaves nothing of it', async () => {
    board.console.send('factory-reset gw7\r')
    await board.console.expect(/everything is removed/, 300_000)
    await board.booted(900_000)
    expect(await board.must('ls /config')).not.toMatch(/pki|gatehouse\.yaml/)
  })
})
