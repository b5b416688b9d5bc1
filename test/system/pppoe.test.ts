// PPPoE in a user-mode Linux guest: the kernel's PPPoE and pppd as the board has them, against rp-pppoe's server as a provider.
import { spawn } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ensureRoots, rootPath } from '../interop/lab/roots.ts'
import { configured, isRoot, textOf } from './world.ts'

const overlay = join(import.meta.dirname, '../../images/overlay/usr/lib/gatehouse')
const password = 'x"y\\z #1'
const board = configured(
  `wan: { port: wan0, pppoe: { user: 'me@isp', password: '${password}', service: 'their line' } }`,
)

/** In the guest: the provider behind a cable, then the board's own files; each line that begins `seen` is a finding. */
const job = `
seen() { echo "seen $1: $(eval "$2" 2>&1 | tr -s ' \\n' ' ')"; }
wait_for() { for _ in $(seq 150); do eval "$1" >/dev/null 2>&1 && return; sleep 0.1; done; echo "seen in vain: $1"; }
mkdir -p /run/gatehouse /etc/gatehouse /run/real /run/sbin
# The server runs /usr/sbin/pppoe, and the guest's tree is read-only.
mount --bind /usr/sbin /run/real; ln -s /run/real/* /share/sbin/pppoe /run/sbin/; mount --bind /run/sbin /usr/sbin
cp /share/overlay/* /run/gatehouse/; sed -i 's#/usr/lib/gatehouse#/run/gatehouse#' /run/gatehouse/ppp-*
unshare -n sleep 1000 & isp=$!; sleep 0.2
ip link add wan0 type veth peer name isp0 netns $isp
provider() { nsenter -t $isp -n "$@"; }
provider ip link set lo up; provider ip link set isp0 up; ip link set wan0 up
cat >/run/server <<'END'
require-chap
noauth
auth
ms-dns 100.64.0.53
mtu 1492
mru 1492
lcp-echo-interval 5
END
printf '"me@isp" * "%s" *\\n' 'x\\"y\\\\z #1' >/etc/ppp/chap-secrets
provider /share/sbin/pppoe-server -I isp0 -L 100.64.0.1 -R 100.64.0.10 -S 'their line' -O /run/server
install -D -m 0600 /share/peer /etc/ppp/peers/gatehouse-wan
sed -i 's#/usr/lib/gatehouse#/run/gatehouse#' /etc/ppp/peers/gatehouse-wan
pppd call gatehouse-wan nodetach >/share/pppd.log 2>&1 &
wait_for 'ping -c1 -W1 100.64.0.1'
seen device 'ip -o link show wan-ppp | grep -o "mtu [0-9]*"'
seen address 'ip -4 -o addr show wan-ppp | grep -o "inet [0-9.]*"'
seen route 'ip route show default'
wait_for 'grep -q nameserver /etc/resolv.conf'
seen resolvers 'cat /etc/resolv.conf'
seen ping 'ping -c1 -W2 -s 1464 -M do 100.64.0.1 | grep -c "bytes from"'
seen large 'ping -c1 -W2 -s 1465 -M do 100.64.0.1 | grep -c "bytes from"'
pkill -9 -f "pppd.*isp0"; sleep 1
wait_for 'ping -c1 -W1 100.64.0.1'
seen again 'ping -c1 -W2 100.64.0.1 | grep -c "bytes from"'
pkill -x -TERM pppd; sleep 2
seen after 'ls /run/gatehouse-ppp 2>/dev/null; cat /etc/resolv.conf'
`

describe.skipIf(!isRoot)('PPPoE (needs root)', () => {
  let folder: string
  beforeEach(async () => {
    await ensureRoots()
    folder = mkdtempSync('/dev/shm/gatehouse-pppoe-')
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  test('dials, gives route and resolvers, dials again after a loss', async () => {
    const share = join(folder, 'share')
    mkdirSync(share)
    cpSync(overlay, join(share, 'overlay'), { recursive: true })
    for (const program of ['pppoe', 'pppoe-server']) cpSync(`/usr/sbin/${program}`, join(share, 'sbin', program))
    writeFileSync(join(share, 'peer'), textOf(board, '/etc/ppp/peers/gatehouse-wan'))
    writeFileSync(join(share, 'job'), job)
    await guest(folder, share)
    const out = readFileSync(join(share, 'out'), 'utf8')
    const seen = Object.fromEntries(
      [...out.matchAll(/^seen (\w+): (.*?) *$/gm)].map(([, what, found]) => [what, found]),
    )
    expect(seen, out + readFileSync(join(share, 'pppd.log'), 'utf8')).toEqual({
      device: 'mtu 1492',
      address: 'inet 100.64.0.10',
      route: 'default dev wan-ppp scope link',
      resolvers: 'nameserver 100.64.0.53',
      ping: '1',
      large: 'ping: local error: message too long, mtu=1492 0',
      again: '1',
      after: '',
    })
  })
})

/** Starts the guest; resolves when it has switched itself off. */
function guest(folder: string, share: string): Promise<void> {
  const log = openSync(join(folder, 'console.log'), 'w')
  const child = spawn(
    'linux.uml',
    [
      `uml_dir=${folder}/`,
      'mem=192M',
      'root=/dev/root',
      'rootfstype=hostfs',
      `rootflags=${rootPath('strongswan')}`,
      'ro',
      'init=/lab-boot',
      'con=null',
      'con0=null,fd:1',
      'quiet',
      `lab.scripts=${join(import.meta.dirname, 'pppoe')}`,
      `lab.share=${share}`,
      'lab.modules=/usr/lib/uml/modules',
    ],
    { stdio: ['ignore', log, log], env: { PATH: process.env.PATH, TMPDIR: '/dev/shm', HOME: folder }, detached: true },
  )
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
      reject(
        new Error(
          `the guest did not end:\n${readFileSync(join(share, 'out'), 'utf8')}${readFileSync(join(share, 'pppd.log'), 'utf8')}`,
        ),
      )
    }, 40_000)
    child.once('close', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}
