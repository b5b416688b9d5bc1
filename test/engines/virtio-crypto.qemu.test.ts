// A crypto device carries ESP: virtio-crypto in a guest of QEMU. The kernel's XFRM uses it where nothing else is faster, by explicit choice, and after a
// measurement; the device's own interrupts prove it.
import { beforeAll, describe, expect, test } from 'vitest'
import { must } from './lab/guest.ts'
import { ensureKernel, type Kernel } from './lab/kernel.ts'
import { runInQemu, virtioCrypto } from './lab/qemu.ts'

const here = describe.skipIf(process.getuid?.() !== 0)
let kernel: Kernel

const key = '0x00112233445566778899aabbccddeeff'
const integrityKey = '0x0102030405060708090a0b0c0d0e0f1011121314'

/** Two ends, A in the guest's own namespace and B in another; `sas` makes their SAs anew, `esp` says what a ping through them did. */
const ends = `
modprobe -a virtio_crypto esp4 xfrm_user authenc echainiv
for i in $(seq 50); do grep -q virtio_crypto_aes_cbc /proc/crypto && break; sleep 0.2; done
ip netns add b
ip link add va type veth peer name vb netns b
ip address add 192.0.2.1/24 dev va; ip link set va up
ip -n b address add 192.0.2.2/24 dev vb; ip -n b link set vb up
sas() {
  ip xfrm state flush; ip -n b xfrm state flush; ip xfrm policy flush; ip -n b xfrm policy flush
  for at in 1 b; do
    run() { if [ $at = b ]; then ip -n b "$@"; else ip "$@"; fi; }
    for way in '1 2 0x101' '2 1 0x102'; do
      set -- $way
      run xfrm state add src 192.0.2.$1 dst 192.0.2.$2 proto esp spi $3 mode transport \\
        auth-trunc 'hmac(sha1)' ${integrityKey} 96 enc 'cbc(aes)' ${key} || exit 1
      case $at$1 in 11 | b2) dir=out ;; *) dir=in ;; esac
      run xfrm policy add src 192.0.2.$1 dst 192.0.2.$2 dir $dir tmpl proto esp mode transport || exit 1
    done
  done
}
interrupts() { mawk '/virtio[0-9]+-virtqueues/ { for (i = 2; i <= 3; i++) sum += $i } END { print sum + 0 }' /proc/interrupts; }
esp() { # name
  local before=$(interrupts)
  ping -q -c 5 -i 0.2 -W 5 192.0.2.2 | grep -o '[0-9]* received'
  echo "$1: $(($(interrupts) - before)) interrupts, $(ip -s xfrm state | grep -c ' 5(packets)') SAs with 5 packets"
}
built() { mawk '/^name/ { name = $3 } /^driver/ { if (name == "authenc(hmac(sha1),cbc(aes))") print "built:", $3 }' /proc/crypto; }
aes() { mawk '/^driver/ { driver = $3 } /^priority/ { if (driver == "virtio_crypto_aes_cbc") print "priority", $3 }' /proc/crypto; }
`

const configuration = `remoteAccess:
  preSharedKey: correct horse battery staple
  addressPool: 10.99.0.10-10.99.0.250
  esp: [aes128-sha1]
users:
  - { name: alice, password: wonderland }
`

const gateway = `
modprobe -a tun nf_tables nft_ct nft_masq nft_nat nft_chain_nat nft_limit nft_log nf_conntrack udp_tunnel crypto_user
up() {
  /run/checkout/gatehouse up --config /tmp/gatehouse.yaml --state /tmp/state >/tmp/out 2>/tmp/err & pid=$!
  for i in $(seq 600); do grep -q ^ready /tmp/out && return; sleep 0.2; done; echo not ready; cat /tmp/err; exit 1
}
down() { kill $pid; wait $pid; grep engines.priority /tmp/err; true; }
`

beforeAll(async () => {
  if (process.getuid?.() === 0) kernel = await ensureKernel()
})

here('virtio-crypto', () => {
  test('carries an SA where the processor has nothing for AES: each packet is an interrupt at either end', async () => {
    const output = must(
      await runInQemu(kernel, `${ends}grep -A7 'virtio_crypto_aes_cbc' /proc/crypto; sas; esp plain; built`, {
        cpu: 'qemu64',
        devices: virtioCrypto,
      }),
    )
    expect(output).toMatch(/driver +: virtio_crypto_aes_cbc\nmodule +: virtio_crypto\n(.*\n)*selftest +: passed/)
    expect(output).toContain('5 received')
    // 10 packets, sealed and opened: 20 times the device was asked, and each answer interrupts.
    expect(output).toContain('plain: 20 interrupts, 2 SAs with 5 packets')
    expect(output).toContain('built: authenc(hmac(sha1-generic),virtio_crypto_aes_cbc)')
  })

  test('by explicit choice, before the instructions of the processor, as long as the gateway runs', async () => {
    const script = `${ends}${gateway}
modprobe aesni_intel
cat >/tmp/gatehouse.yaml <<X
${configuration}engines: { kernel: [{ driver: virtio_crypto_aes_cbc, priority: 5000 }] }
X
chmod 600 /tmp/gatehouse.yaml
sas; esp before
ip xfrm state flush; ip -n b xfrm state flush
up; aes; sas; esp chosen
ip xfrm state flush; ip -n b xfrm state flush
down; aes; sas; esp after`
    const output = must(await runInQemu(kernel, script, { devices: virtioCrypto, seconds: 600 }))
    expect(output).toContain('before: 0 interrupts, 2 SAs with 5 packets')
    expect(output).toContain('priority 5000')
    expect(output).toContain('chosen: 20 interrupts, 2 SAs with 5 packets')
    expect(output).toContain("the kernel's virtio_crypto_aes_cbc has priority 5000 instead of 150")
    expect(output).toContain('priority 150')
    expect(output).toContain('after: 0 interrupts, 2 SAs with 5 packets')
  })

  test('after bench engines --tune an SA uses what was found to be the fastest', async () => {
    const script = `${ends}${gateway}
modprobe aesni_intel
cat >/tmp/gatehouse.yaml <<X
${configuration}X
chmod 600 /tmp/gatehouse.yaml
/run/checkout/gatehouse bench engines --tune --quick --explain --config /tmp/gatehouse.yaml || exit 1
cat /tmp/gatehouse.yaml
up; sas; esp tuned; down`
    const output = must(await runInQemu(kernel, script, { devices: virtioCrypto, seconds: 900 }))
    const winner = /^kernel cbc\(aes\): (\S+)\. /m.exec(output)?.[1]
    expect(winner).toBeDefined()
    expect(output).toMatch(/^af-alg:virtio_crypto_aes_cbc +aes128-sha1 +imix/m)
    const chosen = /- \{ driver: virtio_crypto_aes_cbc, priority: 5000 \}/.test(output)
    expect(chosen).toBe(winner === 'virtio_crypto_aes_cbc')
    expect(output).toContain(`tuned: ${chosen ? 20 : 0} interrupts, 2 SAs with 5 packets`)
  })

  test('AF_ALG with the device passes the vectors', async () => {
    const output = must(
      await runInQemu(
        kernel,
        `${ends}modprobe -a aesni_intel cryptd des_generic
cp /run/checkout/native/build-core/test/gatehouse-test /tmp && cd /tmp
before=$(interrupts)
for part in vectors engines: AF_ALG; do ./gatehouse-test "$part" || exit 1; done
echo "vectors: $(($(interrupts) - before)) interrupts"`,
        { devices: virtioCrypto, seconds: 600 },
      ),
    )
    expect(output).toMatch(/^engine {2}af-alg:.*virtio_crypto_aes_cbc/m)
    expect(output).toMatch(/^ok .*AES-CBC vectors/m)
    expect(output).not.toMatch(/^(FAILED|skipped)/m)
    expect(Number(/^vectors: (\d+) interrupts/m.exec(output)![1])).toBeGreaterThan(50)
  })
})
