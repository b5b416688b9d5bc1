// A guest in user-mode Linux: boots in two seconds, has AF_ALG, NETLINK_CRYPTO and cryptd, and only plain code for ciphers.
import { rootPath } from '../../interop/lab/roots.ts'
import { checkout, type Ended, runGuest, scripts } from './guest.ts'

/** The checkout is at /run/checkout. */
export function runInUml(
  script: string,
  { seconds = 120, modules = '/usr/lib/uml/modules' }: { seconds?: number; modules?: string } = {},
): Promise<Ended> {
  return runGuest(script, seconds, (folder, share) => [
    'linux.uml',
    `uml_dir=${folder}/`,
    'mem=512M',
    'root=/dev/root',
    'rootfstype=hostfs',
    `rootflags=${rootPath('strongswan')}`,
    'ro',
    'init=/lab-boot',
    'con=null',
    'con0=null,fd:1',
    'quiet',
    `lab.scripts=${scripts}`,
    `lab.share=${share}`,
    `lab.checkout=${checkout}`,
    `lab.modules=${modules}`,
  ])
}
