// Site files on the laptop: judged before anything is sent, secrets from files put in, sealed; reports of boards.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { hostKeyOf, makeBoardKey, openSealed } from '../control/sealed-bundle.ts'
import { showPhase } from './progress.ts'
import { reportLine, reportOf, writeReport } from './report.ts'
import { FaultySite, readHostKey, readSite, sealSite } from './site-file.ts'

const site = `# branch 7
remoteAccess:
  preSharedKey: { file: psk.txt }   # not in the repository
  addressPool: 10.99.0.10-10.99.0.250
users:
  - name: alice
    password:
      file: alice.txt
`
let folder = ''
const at = (name: string) => join(folder, name)

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-site-'))
  writeFileSync(at('psk.txt'), 'correct "horse" battery staple\n')
  writeFileSync(at('alice.txt'), '0123')
  writeFileSync(at('site.yaml'), site)
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe('a site file', () => {
  test('secrets in files of the laptop are put in, the rest stays as it is written', () => {
    const read = readSite(at('site.yaml'))
    expect(Buffer.from(read.octets).toString()).toBe(`# branch 7
remoteAccess:
  preSharedKey: "correct \\"horse\\" battery staple"   # not in the repository
  addressPool: 10.99.0.10-10.99.0.250
users:
  - name: alice
    password:
      "0123"
`)
    expect(read.configuration?.users[0]?.password?.revealText()).toBe('0123')
  })

  test('faults are told, nothing is sent', () => {
    writeFileSync(at('site.yaml'), site.replace('users:', 'user:'))
    expect(() => readSite(at('site.yaml'))).toThrow(FaultySite)
    writeFileSync(at('site.yaml'), site.replace('psk.txt', 'none.txt'))
    expect(() => readSite(at('site.yaml'))).toThrow(/none\.txt/)
    expect(() => readSite(at('none.yaml'))).toThrow(/none\.yaml can't be read/)
  })

  test('certificates: files of the laptop are put in, in lists too; files of the board are the board’s', () => {
    const pem = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'
    for (const name of ['ca.pem', 'other.pem', 'gw.pem']) writeFileSync(at(name), pem)
    writeFileSync(at('gw.key'), '-----BEGIN PRIVATE KEY-----\nBBBB\n-----END PRIVATE KEY-----\n')
    const certified = (crls: string, folder = '') => `remoteAccess:
  addressPool: 10.99.0.10-10.99.0.250
  certificates:
    authorities: [{ file: ${folder}ca.pem }, { file: ${folder}other.pem }]
    intermediates:
      - file: ${folder}ca.pem
    certificate: { file: ${folder}gw.pem }
    key: { file: ${folder}gw.key }
    crls: [${crls}]
users: [{ name: alice, password: 0123 }]
`
    const read = (text: string) => {
      writeFileSync(at('site.yaml'), text)
      const { octets, configuration } = readSite(at('site.yaml'))
      return { sent: Buffer.from(octets).toString(), certificates: configuration?.remoteAccess.certificates }
    }
    const { sent, certificates } = read(certified('http://ca.example.org/crl.pem'))
    expect(sent).not.toContain('file:')
    expect(certificates).toMatchObject({ authorities: [pem.trimEnd(), pem.trimEnd()], intermediates: [pem.trimEnd()] })
    expect(certificates?.own[0]?.key.revealText()).toContain('BBBB')

    const own = certified('/config/pki/crl.pem', '/config/pki/')
    expect(read(own).sent).toBe(own)

    writeFileSync(at('site.yaml'), certified('"http://ca.example.org/crl.pem", /etc/crl.pem'))
    try {
      readSite(at('site.yaml'))
      expect.unreachable()
    } catch (error) {
      expect((error as FaultySite).faults).toEqual([
        {
          severity: 'error',
          line: 9,
          column: 45,
          where: 'crls',
          message:
            'found "/etc/crl.pem", which is not sent to the board; an http address, or a file below /config there, is right',
        },
      ])
    }
    writeFileSync(at('site.yaml'), certified('', 'none-'))
    expect(() => readSite(at('site.yaml'))).toThrow(/none-ca\.pem/)
  })

  test('sealed, it is taken as it is; sealed again, it is not', () => {
    const key = makeBoardKey()
    const sealed = sealSite(readSite(at('site.yaml')), hostKeyOf(key))
    writeFileSync(at('site.sealed'), sealed.octets)
    const read = readSite(at('site.sealed'))
    expect(read).toMatchObject({ sealed: true, configuration: undefined })
    expect(Buffer.from(openSealed(read.octets, key)).toString()).toContain('battery staple')
    expect(() => sealSite(read, hostKeyOf(key))).toThrow('sealed already')
  })
})

describe('reports', () => {
  const hostKey = hostKeyOf(makeBoardKey())
  const result = {
    outcome: { is: 'provisioned' },
    facts: { board: 'b', serialNumber: 'S/1', macs: { wan0: '02:00:00:00:00:01' }, firmware: '0.2.0', hostKey },
    baud: 115_200,
    attempts: 1,
    durations: { sending: 1_250, 'self-test': 12_000 },
  } as const

  test('a file and a line; its host key is what a later bundle is sealed to', () => {
    const report = reportOf('/dev/ttyUSB0', at('site.yaml'), readSite(at('site.yaml')), new Date(0), result)
    const path = writeReport(at('reports'), report)
    expect(path).toBe(at('reports/S_1.json'))
    expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({
      outcome: 'provisioned',
      began: '1970-01-01T00:00:00.000Z',
      seconds: { sending: 1.3, total: 13.3 },
    })
    expect(reportLine(report)).toMatch(
      /^ttyUSB0: provisioned: serial S\/1, MAC wan0 02:00:00:00:00:01, firmware 0\.2\.0, host key SHA256:\S+, in 13\.3 s$/,
    )
    expect(readHostKey(path)).toBe(hostKey)
    expect(readHostKey(hostKey)).toBe(hostKey)
  })

  test('what is no host key', () => {
    expect(() => readHostKey(at('psk.txt'))).toThrow(/holds no host key; a line with x25519/)
    expect(() => readHostKey('x25519:short')).toThrow(/x25519: and 44 characters/)
    expect(() => readHostKey(at('none'))).toThrow(/neither a host key \(x25519:…\) nor a file/)
  })
})

test('progress tells the time left', () => {
  expect(showPhase('sending', 2_000, 1_000, 4_000)).toBe('sending 1.0 of 4.0 kB, 6 s left')
  expect(showPhase('self-test', 0, 10_000, 280_000)).toBe('self-test: waiting until it has passed, at most 270 s more')
  expect(showPhase('checking', 0)).toBe('checking')
})
