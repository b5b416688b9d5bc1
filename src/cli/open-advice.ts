// What to do when the data plane can't be opened: a busy port, no /dev/net/tun, a missing capability.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import type { OpenError } from '../platform/addon.ts'

/** One sentence or two: what is wrong, and what to do. */
export function adviceFor(error: Partial<OpenError> & Error): string {
  const { code, subject = '', message } = error
  const port = /(\d{1,5})$/.exec(subject)?.[1]
  switch (code) {
    case 'EADDRINUSE':
      return `${message}. ${port ? holderOf(Number(port)) : 'Another program has the port.'} Stop it (strongSwan and libreswan listen there), or give another "listen" address.`
    case 'EADDRNOTAVAIL':
      return `${message}. "listen" names an address that this machine doesn't have.`
    case 'EPERM':
    case 'EACCES':
      if (/tun/.test(subject) && code === 'EACCES') {
        return `${message}. This user may not open it: its usual mode is 0666 (chmod 0666 /dev/net/tun); making a device takes CAP_NET_ADMIN besides.`
      }
      return `${message}. The gateway needs the capabilities CAP_NET_ADMIN (device, routes, nftables), CAP_NET_RAW (protocol 50) and CAP_NET_BIND_SERVICE (ports 500, 4500, 53): run it as root, or by the unit in packaging/.`
    case 'ENOENT':
    case 'ENODEV':
    case 'ENXIO':
      return /tun/.test(`${subject} ${message}`)
        ? `${message}. The TUN driver is missing: "modprobe tun", or in a container hand /dev/net/tun in (mknod /dev/net/tun c 10 200).`
        : message
    case 'EBUSY':
      return `${message}. Another device or gateway has that name: stop it, or choose another "device".`
    default:
      return message
  }
}

/** Which process has a UDP port, as far as /proc lets us see. */
function holderOf(port: number): string {
  const inodes = new Set<string>()
  for (const file of ['/proc/net/udp', '/proc/net/udp6']) {
    for (const line of textOf(file).split('\n').slice(1)) {
      const fields = line.trim().split(/\s+/)
      if (Number.parseInt(fields[1]?.split(':')[1] ?? '', 16) === port) inodes.add(`socket:[${fields[9]}]`)
    }
  }
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    for (const descriptor of namesIn(`/proc/${pid}/fd`)) {
      if (inodes.has(linkOf(`/proc/${pid}/fd/${descriptor}`))) {
        return `${textOf(`/proc/${pid}/comm`).trim()} (process ${pid}) has the port.`
      }
    }
  }
  return 'Another program has the port.'
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}
