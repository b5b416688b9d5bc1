// The rest of an appliance on a board in QEMU: closed until configured, then network, firewall, clock, logs, and a daemon in its sandbox that a
// watchdog looks after.
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { until } from '../interop/lab/run.ts'
import { diskFrom, ensureImage, scratchFolder } from './images.ts'
import { Machine } from './machine.ts'

const configurationWith = (logPort: number) => `hostname: gw7
remoteAccess: { preSharedKey: correct horse battery staple, addressPool: 10.99.0.10-10.99.0.250 }
users: [{ name: alice, password: wonderland }]
system:
  admin: { password: opensesame }
  wan: { port: wan0, dhcp: true }
  lan: { ports: [lan0], address: 192.168.1.1/24, dhcpServer: 192.168.1.100-192.168.1.199 }
  timezone: Europe/Berlin
  ntp: [10.0.2.2]
  syslog: { server: 10.0.2.2, port: ${logPort} }
`

describe.runIf(process.getuid?.() === 0)('an appliance', () => {
  let scratch: string
  let board: Machine
  /** A server on this machine, which the board reaches at 10.0.2.2, and what it got. */
  let log: Socket
  let logged = ''
  let configuration: string

  beforeAll(async () => {
    log = createSocket('udp4').on('message', (octets) => {
      logged += octets.toString()
    })
    log.bind(0, '127.0.0.1')
    await once(log, 'listening')
    configuration = configurationWith(log.address().port)
    scratch = scratchFolder()
    const disk = await diskFrom(await ensureImage('qemu-x86_64'), scratch)
    board = await Machine.start({ firmware: 'bios', disk, scratch })
    await board.booted(900_000)
    await settled()
  })

  afterAll(async () => {
    await board?.cut()
    log?.close()
    rmSync(scratch, { recursive: true, force: true })
  })

  const settled = () => board.must('systemctl is-system-running --wait || true', 900_000)

  async function configure(text: string): Promise<void> {
    const file = '/config/gatehouse.yaml'
    await board.must(`cat > ${file} <<'END'\n${text}END\nchown root:gatehouse ${file}; chmod 0640 ${file}; sync`)
    await board.sh('systemctl reboot', 10_000).catch(() => undefined)
    await board.booted(900_000)
    await settled()
  }

  const eventually = (what: string, script: string, wanted: RegExp) =>
    until(what, async () => wanted.exec((await board.sh(script)).text)?.[0], { timeoutMs: 600_000, everyMs: 1000 })

  test('factory-fresh: the firewall is closed, logs are in memory, the hardware watchdog is armed', async () => {
    const rules = await board.must('nft list table inet gatehouse_system')
    expect([rules.match(/policy drop/g)?.length, /from_wan|dport/.test(rules)]).toEqual([2, false])
    expect(await board.must('ls /var/log/journal 2>/dev/null || echo none')).toBe('none')
    expect(await board.must('systemctl show --property RuntimeWatchdogUSec --value')).toBe('1min')
  })

  test('configured: nothing has failed, and every part is as the configuration says', async () => {
    await configure(configuration)
    expect(await board.must('systemctl --failed --no-legend --plain')).toBe('')
    await eventually('an address', 'ip -4 -o addr show dev wan0', /inet 10\.0\.2\.15\/24/)
    await eventually('a resolver', 'cat /etc/resolv.conf', /^nameserver 10\.0\.2\.3$/m)
    expect(await board.must('ip -4 -o addr show dev lan0')).toMatch(/inet 192\.168\.1\.1\/24/)
    expect(await board.must('cat /proc/sys/kernel/hostname; readlink /etc/localtime')).toBe(
      'gw7\n/usr/share/zoneinfo/Europe/Berlin',
    )
    expect(await board.must('nft list chain inet gatehouse_system from_wan')).toMatch(
      /udp dport \{ 500, 4500 \} accept/,
    )
    expect(await board.must('systemctl is-active gatehouse-syslog gatehouse-clock systemd-timesyncd')).toBe(
      'active\nactive\nactive',
    )
    await board.must("echo 'a line for the server' | systemd-cat -t tried")
    await until('the line at the server', () => /tried.*a line for the server/.test(logged) || undefined, {
      timeoutMs: 60_000,
    })
    await eventually('DNS for the LAN', 'cat /proc/net/udp', /0101A8C0:0035/)
  })

  test('the daemon is ready by its own word, without root, behind a system-call filter', async () => {
    await eventually('the daemon', 'systemctl is-active gatehouse', /^active$/m)
    expect(
      await board.must(
        'systemctl show gatehouse --property Type --property WatchdogUSec --property FileDescriptorStoreMax',
      ),
    ).toBe('Type=notify\nWatchdogUSec=30s\nFileDescriptorStoreMax=16384')
    expect(await board.must('systemctl show gatehouse --property StatusText --value')).not.toBe('')
    const status = await board.must('cat /proc/$(systemctl show gatehouse --property MainPID --value)/status')
    const field = (name: string) => new RegExp(`^${name}:\\s+(.*)$`, 'm').exec(status)?.[1]
    // NET_BIND_SERVICE (10), NET_ADMIN (12), NET_RAW (13).
    const capabilities = '0000000000003400'
    expect([field('Uid'), field('CapEff'), field('CapBnd'), field('NoNewPrivs'), field('Seccomp')]).toEqual([
      '900\t900\t900\t900',
      capabilities,
      capabilities,
      '1',
      '2',
    ])
  })

  test('PPPoE in its sandbox: its discovery leaves by the WAN', async () => {
    const wan = 'wan: { port: wan0, pppoe: { user: somebody, password: something } }'
    await board.must(`sed 's/wan: .*/${wan}/' /config/gatehouse.yaml > /run/pppoe.yaml`)
    // The board's agent runs one script after the other: what listens meanwhile does so behind it.
    await board.must('timeout 800 tcpdump -c 1 -ni wan0 pppoed > /run/heard 2>&1 &')
    await board.must('gatehouse system apply --config /run/pppoe.yaml', 800_000)
    await eventually('the discovery', 'cat /run/heard', /PPPoE PADI/)
    expect(await board.must('systemctl show -P ActiveState -P NRestarts gatehouse-pppoe')).toBe('0\nactive')
    await board.must('gatehouse system apply --config /config/gatehouse.yaml', 800_000)
    expect(await board.must('systemctl show -P ActiveState gatehouse-pppoe')).toBe('inactive')
  })

  test('a daemon that hangs is started anew by the watchdog', async () => {
    await board.must('kill -STOP $(systemctl show gatehouse --property MainPID --value)')
    await eventually('a second life', 'systemctl show gatehouse --property NRestarts --value', /^[1-9]/m)
    await eventually('the daemon', 'systemctl is-active gatehouse', /^active$/m)
    expect(await board.must('journalctl -u gatehouse -b --no-pager | grep -c "Watchdog timeout"')).toBe('1')
  })

  test('the last known time is noted at shutdown', async () => {
    const noted = Number(await board.must('stat -c %Y /config/clock'))
    expect(Date.now() / 1000 - noted).toBeLessThan(3600)
  })

  test('a faulty configuration: the firewall is closed, and the log says what is wrong', async () => {
    await configure(configuration.replace('192.168.1.1/24', '192.168.1.1'))
    expect(await board.must('nft list table inet gatehouse_system')).not.toMatch(/from_wan/)
    expect(await board.must('journalctl -u gatehouse-system -b --no-pager')).toMatch(
      /system\.lan\.address: .*192\.168\.1\.1\/24/,
    )
    expect(await board.must('systemctl --failed --no-legend --plain')).toMatch(/gatehouse-system\.service/)
  })
})
