// AF_ALG as an ESP engine, and the kernel's crypto API by netlink, in a guest whose kernel has both: the C++ tests on every driver, the commands, and a
// gateway that changes priorities and puts them back.
import { describe, expect, test } from 'vitest'
import { ensureModules, modulesPath } from '../interop/lab/modules.ts'
import { must } from './lab/guest.ts'
import { runInUml } from './lab/uml.ts'

const here = describe.skipIf(process.getuid?.() !== 0)
const least = `remoteAccess:
  preSharedKey: correct horse battery staple
  addressPool: 10.99.0.10-10.99.0.250
  esp: [aes128-sha1] # what Alice has
users:
  - { name: alice, password: wonderland }
`
/** Modules that nobody names by themselves. */
const modules = 'modprobe -a des_generic cryptd authenc'

here('the engine', () => {
  test('passes every vector on every driver, an asynchronous one of DES and 3DES among them, and agrees with OpenSSL', async () => {
    const output = must(
      await runInUml(
        `${modules}; cd /run/checkout/native/build-core/test
for part in vector engine 'sealed opens' 'changed bit' AF_ALG /proc/crypto; do ./gatehouse-test "$part" || exit 1; done`,
        { seconds: 240 },
      ),
    )
    const engines = [...output.matchAll(/^engine {2}(.*)$/gm)].map(([, name]) => name!)
    expect(engines.join('\n')).toContain('cryptd(cbc(des3_ede-generic))')
    expect(engines.join('\n')).toContain('cryptd(cbc(des-generic))')
    for (const wanted of [
      'AES-CBC vectors',
      'DES-CBC vector',
      '3DES vectors',
      'AES-GCM vectors',
      'HMAC vectors',
      'engines agree',
      'what is sealed opens',
    ])
      expect(output).toMatch(new RegExp(`^ok .*${wanted}`, 'm'))
    expect(output).not.toMatch(/^(FAILED|skipped engines|skipped AF_ALG)/m)
  })
})

here('NETLINK_CRYPTO', () => {
  test('lists what /proc/crypto lists; a raised driver is taken, and what was built on others is built anew', async () => {
    const output = must(
      await runInUml(`${modules}; /run/checkout/native/build-core/test/gatehouse-test-pipeline 'crypto user'`),
    )
    expect(output).toContain('4 passed, 0 failed\n')
  })

  test('gatehouse engines shows both kinds, and what each would carry', async () => {
    const output = must(
      await runInUml(`${modules}; cd /run/checkout
[ -x native/build-core/test/gatehouse-test ] && native/build-core/test/gatehouse-test 'engines: AF_ALG' >/dev/null
./gatehouse engines --json`),
    )
    const { userland, kernel } = JSON.parse(output)
    expect(userland.map(({ engine }: { engine: string }) => engine)).toContain('af-alg')
    expect(kernel.source).toBe('NETLINK_CRYPTO')
    const found = kernel.algorithms.find(({ driver }: { driver: string }) => driver === 'cryptd(cbc(des3_ede-generic))')
    expect(found).toMatchObject({
      algorithm: 'cbc(des3_ede)',
      kind: 'generic',
      synchronous: false,
      selfTest: 'passed',
      chosen: true,
      esp: expect.arrayContaining(['3des-sha1', '3des-md5', '3des-sha512']),
    })
  })
})

here('a gateway', () => {
  test('runs on AF_ALG, raises drivers while it runs, puts them back at exit, and after kill -9 at the next start', async () => {
    await ensureModules()
    const script = `${modules} tun nf_tables nft_ct nft_masq nft_nat nft_chain_nat nft_limit nft_log nf_conntrack udp_tunnel 2>/dev/null
mkdir -p /dev/net; [ -e /dev/net/tun ] || mknod /dev/net/tun c 10 200
driver='cryptd(cbc(des3_ede-generic))'
cat >/tmp/gatehouse.yaml <<X
${least}dataplane: userland
engine: af-alg:$driver
engines: { kernel: [{ driver: cbc(des3_ede-generic), priority: 7000 }] }
X
chmod 600 /tmp/gatehouse.yaml
priority() { sed -n '/^driver *: cbc(des3_ede-generic)$/,/^$/s/^priority *: //p' /proc/crypto; }
start() { # seconds
  rm -f /tmp/out; /run/checkout/gatehouse up --config /tmp/gatehouse.yaml --state /tmp/state >/tmp/out 2>/tmp/err & pid=$!
  for i in $(seq 300); do grep -q ^ready /tmp/out && return; sleep 0.1; done; echo not ready; cat /tmp/err; exit 1
}
start; echo "up $(priority)"; cat /tmp/out; grep engines.priority /tmp/err; cat /tmp/state/engines.json
kill -9 $pid; wait $pid 2>/dev/null; echo "killed $(priority)"
sed -i '/^engines/d' /tmp/gatehouse.yaml
start; echo "again $(priority)"; kill $pid; wait $pid; echo "code $?"
echo 'engines: { kernel: [{ driver: cbc(des3_ede-generic), priority: 7000 }, { driver: abacus, priority: 1 }] }' >>/tmp/gatehouse.yaml
start; echo "third $(priority)"; kill $pid; wait $pid; echo "end $(priority)"; cat /tmp/err; ls /tmp/state`
    const output = must(await runInUml(script, { seconds: 180, modules: modulesPath() }))
    expect(output.split('\n').filter((line) => /^(up|killed|again|code|third|end) /.test(line))).toEqual([
      'up 7000',
      'killed 7000',
      'again 100',
      'code 0',
      'third 7000',
      'end 100',
    ])
    expect(output).toContain('AF_ALG, Linux')
    expect(output).toContain('"cbc(des3_ede-generic)":100')
    expect(output).toContain("the kernel's cbc(des3_ede-generic) has priority 7000 instead of 100")
    expect(output).toContain("the kernel's cbc(des3_ede-generic) has its priority 100 again")
    expect(output).toContain("the priority of the kernel's abacus was not changed")
  })
})

here('bench engines --tune', () => {
  test('measures AF_ALG and each driver, idle and loaded, and writes what it says', async () => {
    const script = `${modules}; cat >/tmp/gatehouse.yaml <<X
# first line
${least}X
chmod 600 /tmp/gatehouse.yaml
cd /run/checkout; native/build-core/test/gatehouse-test 'engines: AF_ALG' >/dev/null
./gatehouse bench engines --tune --quick --json --config /tmp/gatehouse.yaml 2>/dev/null || exit 1
echo ====; cat /tmp/gatehouse.yaml; stat -c %a /tmp/gatehouse.yaml; ./gatehouse check /tmp/gatehouse.yaml`
    const output = must(await runInUml(script, { seconds: 240 }))
    const [json, after] = output.split('====\n') as [string, string]
    const { results, choice, reasons, written } = JSON.parse(json)
    const seen = new Set(results.map(({ what, esp }: { what: string; esp: string }) => `${what} ${esp}`))
    // Quickly is with IMIX alone, which is what decides; without --quick 64, 512 and 1,400 octets are measured too.
    for (const state of ['idle', 'loaded']) {
      expect(seen).toContain(`ESP in memory, af-alg, IMIX, ${state} aes128gcm16`)
      expect(seen).toContain(`ESP in memory, af-alg:cryptd(cbc(des3_ede-generic)), IMIX, ${state} 3des-sha1`)
    }
    expect(results.every(({ gbps }: { gbps: number }) => gbps > 0)).toBe(true)
    // Nothing of user-mode Linux's kernel is as fast as a library in the process.
    expect(choice.userland).toMatch(/^(ipsec-mb|openssl)$/)
    expect(reasons.map(({ subject }: { subject: string }) => subject)).toEqual(
      expect.arrayContaining(['userland', 'kernel cbc(aes)', 'kernel cbc(des3_ede)', 'kernel cbc(des)']),
    )
    expect(written).toBe('/tmp/gatehouse.yaml')
    expect(after).toContain(`# first line\n${least}engines:\n  userland: ${choice.userland}\n`)
    for (const { driver, priority } of choice.kernel)
      expect(after).toContain(`{ driver: ${driver}, priority: ${priority} }`)
    expect(after).toContain('\n600\n')
    expect(after).toContain('is valid')
  })
})
