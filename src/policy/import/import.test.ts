// Scripts as administrators have them: what each line is answered, what the section says, and that nothing makes the parser fall.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { importLines, showAnswers } from './import.ts'

const script = `rem branch office
netsh ipsec static add policy name="Branch" assign=yes mmsecmethods="3DES-SHA1-2"
netsh ipsec static add filterlist name=to
netsh ipsec static add filter filterlist=to srcaddr=10.1.0.0 srcmask=255.255.0.0 dstaddr=10.2.0.0 dstmask=16 mirrored=no
netsh ipsec static add filteraction name=Secure qmpfs=yes qmsec="x"
netsh ipsec static add filteraction name=Secure qmpfs=yes qmsecmethods="AH[MD5]:204800k/300s ESP[3DES,SHA1]:100000k/3600s"
netsh ipsec static add rule name=out policy=Branch filterlist=to filteraction=Secure tunnel=198.51.100.9 kerberos=yes psk="correct horse battery"
netsh ipsec dynamic show all
netsh ipsec static add filter filterlist=to srcaddr=WINS dstaddr=me`

describe('netsh ipsec static', () => {
  const { answers, yaml } = importLines(script)

  test('each line is answered', () => {
    expect(showAnswers(answers).split('\n')).toEqual([
      'line 2: changed: mmsecmethods left out: main mode is remoteAccess.ike and remoteAccess.lifetimes here',
      'line 3: taken',
      'line 4: taken',
      'line 5: refused: qmsec: no such tag here; known are name, qmpfs, inpass, soft, action, qmsecmethods',
      "line 6: changed: left out: AH[MD5]:204800k/300s: AH isn't carried; ESP with the same hash is right; PFS with modp2048: Windows takes main mode's group",
      'line 7: changed: Kerberos left out: it is not spoken here',
      'line 8: refused: only the static context is taken: what "netsh ipsec dynamic" sets is gone with the next start there too',
      "line 9: refused: the WINS servers aren't known here; their addresses are right",
    ])
    expect(showAnswers(answers)).not.toContain('horse')
  })

  test('what was taken is a section', () => {
    expect(yaml).toBe(`policies:
  assigned: "Branch"
  filterLists:
    - name: "to"
      filters:
        - { source: 10.1.0.0/16, destination: 10.2.0.0/16, mirrored: false }
  filterActions:
    - { name: "Secure", action: negotiate, methods: [3des-sha1], lifetime: 3600s, data: 100000KB, pfs: modp2048 }
  policies:
    - name: "Branch"
      rules:
        - { name: "out", filterList: "to", filterAction: "Secure", authentication: [{ preSharedKey: "correct horse battery" }], tunnelEndpoint: 198.51.100.9 }
`)
  })
})

test('ipseccmd: a filter, methods, a key; kinds of refusals', () => {
  const { answers, yaml } =
    importLines(`ipseccmd -f 0+192.0.2.7:445:TCP -n ESP[3DES,SHA] INPASS -soft -a PRESHARE:"a long key" -w REG -p Servers -r files -x
ipseccmd -f 10.1.*.*=*  -n BLOCK -w REG -p Servers -r rest -lan
ipseccmd -f 0=* -n ESP[DES,MD5]
format c:`)
  expect(showAnswers(answers).split('\n')).toEqual([
    'line 1: taken',
    'line 2: taken',
    'line 3: refused: -a PRESHARE:"…" or -a CERT:"…" is needed; Kerberos, the default there, is not spoken here',
    'line 4: refused: neither a line of netsh ipsec static nor of ipseccmd',
  ])
  expect(yaml).toBe(`policies:
  assigned: "Servers"
  filterLists:
    - name: "Servers files"
      filters:
        - { source: me, destination: 192.0.2.7, protocol: tcp, destinationPort: 445 }
    - name: "Servers rest"
      filters:
        - { source: 10.1.0.0/16, destination: any, mirrored: false }
  filterActions:
    - { name: "Servers files", action: negotiate, methods: [3des-sha1], acceptUnsecured: true, allowUnsecured: true }
    - { name: "Servers rest", action: block }
  policies:
    - name: "Servers"
      rules:
        - { name: "files", filterList: "Servers files", filterAction: "Servers files", authentication: [{ preSharedKey: "a long key" }] }
        - { name: "rest", filterList: "Servers rest", filterAction: "Servers rest", connection: lan }
`)
})

test('whatever the text, every line gets one answer and nothing throws', () => {
  const word = fc.oneof(
    fc.constantFrom(
      ...script.split(/\s+/),
      'ipseccmd',
      '-f',
      '-n',
      '-a',
      '-p',
      '"',
      '=',
      '__proto__=1',
      'name=',
      '\u0000',
    ),
    fc.string({ maxLength: 12 }),
  )
  const lines = fc.array(
    fc.array(word, { maxLength: 12 }).map((words) => words.join(' ')),
    { maxLength: 12 },
  )
  fc.assert(
    fc.property(lines, (each) => {
      const { answers } = importLines(each.join('\n'))
      expect(new Set(answers.map(({ line }) => line)).size).toBe(answers.length)
    }),
    { numRuns: 3000 },
  )
})
