#include "kernel/ruleset.h"

#include <string_view>

#include "linux/sockets.h"

namespace gatehouse::kernel {
namespace {

// How it is read:
// - `inbound` sees a packet before it is routed: first as it came, then again as it came out of an SA, with the peer's mark.
// - `opened`: control goes to the socket of its port as it is. Data is looked up by (mark, tunnel id); found, its source port and tunnel id become the
//   number of that tunnel, so that only this tunnel's socket fits it, on every kernel. A header with the length field has the tunnel id 2 octets later.
//   The UDP checksum becomes none: ESP has vouched.
// - `clients`: a client sends only from its addresses; DHCP has been seen by our packet socket and goes no further.
// - What a site's or rule's SA let out (0x69) has been judged by that SA's selector and XFRM's policies: its mark is taken off, and it goes its way.
// - `strays`: ESP for an SA that nobody has goes to our raw socket by another protocol number, as ESP in UDP goes to the stray port. Other programs' SAs aren't known here:
//   who has the IKE port has IPsec.
// - `sites`: what goes through a site's SA, or came out of one, gets a SYN's MSS lowered to what fits.
// - `outbound`: what a tunnel's socket sends gets the ports back that the peer knows. Nothing may leave without an SA.
// - L2TP's data is not tracked: coming and going it has other ports, so that to conntrack it never was one connection; ESP around and the client's packets inside are.
// What most packets meet comes first, and what is cheap to ask comes first in a rule: each packet of a client passes here three times.
constexpr std::string_view text = R"(
table inet gatehouse_plane {
  counter keepaliveIn {}
  counter dropNotL2tp {}
  counter dropStray {}
  counter dropClearText {}
  counter dropSource {}
  map numbers { typeof meta mark . @th,80,16 : th sport; size 65535; }
  map ids { typeof meta mark . @th,80,16 : @th,80,16; size 65535; }
  map local_ports { typeof th dport : th sport; size 65535; }
  map remote_ports { typeof th dport : th dport; size 65535; }
  map mss { typeof iifname : tcp option maxseg size; size 65535; }
  set ports { typeof th dport; size 1024; }
  set spis { typeof @th,64,32; size 131072; }
  set sources { type ifname . ipv4_addr; flags interval; size 131072; }
  set sources6 { type ifname . ipv6_addr; flags interval; size 131072; }
  set open { type ifname; size 65535; }
  set wrong { type ifname; flags dynamic; size 65535; counter; }
  chain inbound {
    type filter hook prerouting priority -310; policy accept;
    iifname "PREFIX*" goto clients
    meta mark & 0xff000000 == 0x67000000 meta ipsec exists goto opened
    meta l4proto != udp goto others
    meta mark & 0xff000000 == 0x69000000 meta ipsec exists meta mark set 0 accept
    udp dport vmap { DATA : drop, STRAY : drop, NATT : goto espinudp }
    udp dport @ports counter name dropClearText drop
  }
  chain others {
    meta mark & 0xff000000 == 0x69000000 meta ipsec exists meta mark set 0
  }
  chain espinudp {
    udp length 9 @th,64,8 255 counter name keepaliveIn
    @th,64,32 != 0 @th,64,32 != @spis limit rate 20/second burst 20 packets @th,16,16 set STRAY @th,48,16 set 0
  }
  chain opened {
    meta l4proto != udp counter name dropNotL2tp drop
    udp dport != @ports counter name dropNotL2tp drop
    @th,64,1 1 accept
    @th,65,1 0 @th,0,16 set meta mark . @th,80,16 map @numbers @th,16,16 set DATA @th,48,16 set 0 @th,80,16 set meta mark . @th,80,16 map @ids notrack accept
    @th,65,1 1 @th,0,16 set meta mark . @th,96,16 map @numbers @th,16,16 set DATA @th,48,16 set 0 @th,96,16 set meta mark . @th,96,16 map @ids notrack accept
    counter name dropStray
    limit rate 50/second burst 50 packets accept
    drop
  }
  chain clients {
    meta mark set 0
    udp dport 67 drop
    ip version 4 iifname . ip saddr != @sources iifname != @open update @wrong { iifname counter } counter name dropSource drop
    ip6 version 6 iifname . ip6 saddr != @sources6 iifname != @open update @wrong { iifname counter } counter name dropSource drop
    tcp flags syn tcp option maxseg size set iifname map @mss
  }
  chain outbound {
    type filter hook output priority -310; policy accept;
    udp sport { DATA, 1701 } rt ipsec missing drop
    udp sport DATA notrack
    udp sport DATA meta nfproto ipv4 @th,0,16 set th dport map @local_ports @th,16,16 set th dport map @remote_ports accept
    udp sport DATA meta nfproto ipv6 udp sport set th dport map @local_ports udp dport set th dport map @remote_ports
  }
  chain toclients {
    type filter hook postrouting priority -310; policy accept;
    tcp flags syn tcp option maxseg size set oifname map @mss
  }
  chain sites {
    type filter hook forward priority -310; policy accept;
    tcp flags syn meta nfproto ipv4 goto sitesyn
  }
  chain sitesyn {
    rt ipsec exists tcp option maxseg size set rt mtu
    meta ipsec exists tcp option maxseg size set rt mtu
  }
  chain strays {
    type filter hook input priority -310; policy accept;
    ip protocol esp @th,0,32 != @spis limit rate 20/second burst 20 packets ip protocol set STRAYPROTOCOL
  }
}
)";

void replaceAll(std::string& in, std::string_view what, const std::string& with) {
  for (size_t at = in.find(what); at != std::string::npos; at = in.find(what, at + with.size()))
    in.replace(at, what.size(), with);
}

}  // namespace

std::string noRuleset() { return "table inet gatehouse_plane\ndelete table inet gatehouse_plane\n"; }

std::string ruleset(const RulesetOptions& options) {
  std::string all(text);
  replaceAll(all, "PREFIX", options.devicePrefix);
  replaceAll(all, "DATA", std::to_string(options.dataPort));
  replaceAll(all, "STRAYPROTOCOL", std::to_string(os::strayEspProtocol));
  replaceAll(all, "STRAY", std::to_string(options.strayPort));
  replaceAll(all, "NATT", std::to_string(options.nattPort));
  return noRuleset() + all;
}

}  // namespace gatehouse::kernel
