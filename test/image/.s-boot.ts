import { Machine } from '/work/main/test/image/machine.ts'

const m = await Machine.start({
  firmware: 'bios',
  disk: '/work/main/.cache/s-boot.img',
  scratch: '/dev/shm',
  megabytes: 512,
})
const t0 = Date.now()
const say = (...a: unknown[]) => console.log(((Date.now() - t0) / 1000).toFixed(0), ...a)
try {
  say(await m.booted(240000))
  const sh = async (s: string, t = 120000) => say(`$ ${s}\n`, (await m.sh(s, t)).text)
  await sh('systemctl is-system-running --wait; systemctl --failed --no-legend')
  await sh(
    'nft list tables; cat /etc/gatehouse/firewall.nft | head -20; systemctl status gatehouse-firewall gatehouse-system gatehouse-clock gatehouse-resolvers --no-pager -l | head -60',
  )
  await sh(`cat > /config/gatehouse.yaml <<'Y'
hostname: gw7
remoteAccess: { preSharedKey: correct horse battery staple, addressPool: 10.99.0.10-10.99.0.250 }
users: [{ name: alice, password: wonderland }]
system:
  admin: { password: opensesame }
  wan: { port: wan0, dhcp: true }
  lan: { ports: [lan0], address: 192.168.1.1/24, dhcpServer: 192.168.1.100-192.168.1.199 }
  timezone: Europe/Berlin
  ntp: [10.0.2.2]
  syslog: { server: 10.0.2.2 }
Y
chown root:gatehouse /config/gatehouse.yaml; chmod 640 /config/gatehouse.yaml; sync; systemctl reboot`)
  say(await m.booted(240000))
  await sh('systemctl is-system-running --wait; systemctl --failed --no-legend; hostname; date; ls -la /etc/localtime')
  await sh(
    'ip -br addr; ip route; cat /etc/resolv.conf; nft list tables; systemctl status gatehouse gatehouse-system gatehouse-syslog gatehouse-resolvers.path --no-pager -l | head -90',
  )
  await sh(
    'journalctl -u gatehouse-system -u gatehouse-clock -u gatehouse-syslog -u gatehouse -b --no-pager | tail -40',
  )
  await sh(
    'systemctl show gatehouse -p Type,NotifyAccess,StatusText,WatchdogUSec,MainPID,NRestarts,NFileDescriptorStore,ActiveState; ls -la /config; systemctl show -p RuntimeWatchdogUSec; free -m; systemd-analyze 2>/dev/null; systemctl list-timers --no-pager | head',
  )
  await sh(
    'kill -STOP $(systemctl show gatehouse -p MainPID --value); sleep 45; systemctl show gatehouse -p NRestarts,ActiveState,Result,StatusText; journalctl -u gatehouse -b --no-pager | tail -15',
    120000,
  )
  await sh(
    'ss -lunp; ping -c1 -W2 10.0.2.2 | tail -3; systemctl restart gatehouse-clock-save.service; ls -la --time-style=full-iso /config/clock',
  )
} catch (e) {
  say(e, m.console.tail())
} finally {
  await m.cut()
}
