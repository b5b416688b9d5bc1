// Packets that no client would send: an echo request inside PPP inside L2TP, with whatever ids and addresses a test wants.

export type Forged = { tunnel: number; session: number; from: string; to: string; mark: number }

/** An L2TP data message (RFC 2661 §3.1, L bit) that carries FF03 0021 and an ICMP echo request with `mark` as identifier. */
export function forgedEcho({ tunnel, session, from, to, mark }: Forged): string {
  const icmp = Buffer.alloc(24)
  icmp.writeUInt8(8, 0)
  icmp.writeUInt16BE(mark, 4)
  icmp.writeUInt16BE(1, 6)
  icmp.write('another session!', 8)
  icmp.writeUInt16BE(checksum(icmp), 2)
  const ip = Buffer.alloc(20)
  ip.writeUInt8(0x45, 0)
  ip.writeUInt16BE(20 + icmp.length, 2)
  ip.writeUInt8(64, 8)
  ip.writeUInt8(1, 9)
  Buffer.from(from.split('.').map(Number)).copy(ip, 12)
  Buffer.from(to.split('.').map(Number)).copy(ip, 16)
  ip.writeUInt16BE(checksum(ip), 10)
  const ppp = Buffer.from([0xff, 0x03, 0x00, 0x21])
  return l2tp(0x4002, tunnel, session, Buffer.concat([ppp, ip, icmp])).toString('hex')
}

/** StopCCN (RFC 2661 §6.4) to `tunnel`: Message Type, Assigned Tunnel ID (the sender's own), Result Code 1. */
export function forgedStopCcn(
  tunnel: number,
  { assigned, ns, nr }: { assigned: number; ns: number; nr: number },
): string {
  const avp = (type: number, value: number) => {
    const octets = Buffer.alloc(8)
    for (const [index, word] of [0x8008, 0, type, value].entries()) octets.writeUInt16BE(word, index * 2)
    return octets
  }
  const sequence = Buffer.alloc(4)
  sequence.writeUInt16BE(ns, 0)
  sequence.writeUInt16BE(nr, 2)
  return l2tp(0xc802, tunnel, 0, Buffer.concat([sequence, avp(0, 4), avp(9, assigned), avp(1, 1)])).toString('hex')
}

function l2tp(flags: number, tunnel: number, session: number, rest: Buffer): Buffer {
  const header = Buffer.alloc(8)
  header.writeUInt16BE(flags, 0)
  header.writeUInt16BE(8 + rest.length, 2)
  header.writeUInt16BE(tunnel, 4)
  header.writeUInt16BE(session, 6)
  return Buffer.concat([header, rest])
}

/** RFC 1071. */
function checksum(octets: Buffer): number {
  let sum = 0
  for (let at = 0; at + 1 < octets.length; at += 2) sum += octets.readUInt16BE(at)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}

/** A guest's command that sends the octets from its port 1701, so that its own SA carries them. */
export function sendFrom1701(to: string, hex: string): string {
  return sendBetween(to, [{ from: 1701, port: 1701, hex }])
}

/** The same between any ports, one after the other; `policyForAll` makes the SA carry them. */
export function sendBetween(to: string, all: readonly { from: number; port: number; hex: string }[]): string {
  return `perl -MSocket -e '
while (<STDIN>) {
  my ($from, $port, $hex) = split;
  socket(S, PF_INET, SOCK_DGRAM, 17) or die $!;
  setsockopt(S, SOL_SOCKET, SO_REUSEADDR, 1) or die $!;
  bind(S, sockaddr_in($from, INADDR_ANY)) or die $!;
  send(S, pack("H*", $hex), 0, sockaddr_in($port, inet_aton($ARGV[0]))) or die $!;
  close S;
  select(undef, undef, undef, 0.02);
}' ${to} <<'END'
${all.map(({ from, port, hex }) => `${from} ${port} ${hex}`).join('\n')}
END
`
}

/** A guest's commands after which its SA towards `to` carries UDP of every port, not only L2TP's. */
export function policyForAll(to: string): string {
  return `own=$(ip xfrm state | sed -n 's/^src \\([0-9.]*\\) dst ${to}$/\\1/p' | head -n 1)
reqid=$(ip xfrm state | grep -A 1 " dst ${to}" | sed -n 's/.* reqid \\([0-9]*\\).*/\\1/p' | head -n 1)
ip xfrm policy update src "$own" dst ${to} proto udp dir out priority 1 tmpl src "$own" dst ${to} proto esp reqid "$reqid" mode transport`
}
