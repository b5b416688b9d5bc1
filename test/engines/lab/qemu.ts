// A guest in QEMU without KVM: Debian's own kernel, with the devices that a test asks for. It emulates every instruction: proof, not speed.
import { rootPath } from '../../interop/lab/roots.ts'
import { checkout, type Ended, runGuest, scripts } from './guest.ts'
import type { Kernel } from './kernel.ts'

export type QemuOptions = {
  readonly seconds?: number
  /** `max` has AES instructions, `qemu64` has none. */
  readonly cpu?: 'max' | 'qemu64'
  /** More words for the command line: devices. */
  readonly devices?: readonly string[]
}

/** A virtio-crypto device, whose work the host's process does. */
export const virtioCrypto = [
  '-object',
  'cryptodev-backend-builtin,id=engine',
  '-device',
  'virtio-crypto-pci,cryptodev=engine',
]

/** The checkout is at /run/checkout. */
export function runInQemu(kernel: Kernel, script: string, options: QemuOptions = {}): Promise<Ended> {
  const { seconds = 180, cpu = 'max', devices = [] } = options
  const folders = (share: string) =>
    Object.entries({ tree: rootPath('strongswan'), scripts, share, kernel: kernel.modules, checkout }).flatMap(
      ([tag, path]) => [
        '-virtfs',
        `local,path=${path},mount_tag=${tag},security_model=none,multidevs=remap${tag === 'share' ? '' : ',readonly=on'}`,
      ],
    )
  return runGuest(script, seconds, (_, share) => [
    'nice',
    '-n',
    '5',
    'qemu-system-x86_64',
    ...['-accel', 'tcg,thread=multi', '-M', 'q35', '-cpu', cpu, '-smp', '2', '-m', '768'],
    ...['-nographic', '-nodefaults', '-serial', 'stdio', '-no-reboot', '-nic', 'none'],
    ...['-kernel', kernel.image, '-initrd', kernel.initramfs, '-append', 'console=ttyS0 quiet panic=-1'],
    ...folders(share),
    ...devices,
  ])
}
