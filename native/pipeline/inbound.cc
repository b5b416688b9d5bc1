// The walk: 1 datagram: IKE, keepalive or ESP · 2 open: a batch through the SAs · 3 opened: pair used, path moved · 4 l2tp: control or a session's data ·
// 5 ppp: IP or an exception · 6 ip: source, DHCP, MSS, and into the TUN.
#include "pipeline/inbound.h"

#include <algorithm>
#include <cstring>
#include <mutex>

#include "pipeline/checksum.h"
#include "pipeline/l2tp.h"
#include "pipeline/mss.h"
#include "pipeline/octets.h"
#include "pipeline/outbound.h"
#include "pipeline/ppp.h"
#include "pipeline/traffic-class.h"

namespace gatehouse::pipeline {
namespace {

constexpr uint32_t ikeHeader = 28;
constexpr uint32_t udpHeader = 8;
constexpr uint32_t ipv4Header = 20;
constexpr uint16_t dhcpServerPort = 67;

uint64_t hashOf(const Endpoint& endpoint) { return AddressHash{}(endpoint.address) * 31 + endpoint.port; }

/// Never 0.
uint64_t hashOf(const Path& path) { return (hashOf(path.local) * 1000003 + hashOf(path.remote)) | 1; }

bool isDhcpRequest(const IpPacket& packet) {
  return packet.version == 4 && packet.protocol == protocolUdp && !packet.fragment &&
         packet.upperLength() >= udpHeader && load16(packet.upper() + 2) == dhcpServerPort;
}

}  // namespace

void Inbound::datagram(const os::Datagram& datagram, Arrival arrival, uint64_t now) {
  now_ = now;
  for (uint32_t at = 0; at < datagram.length; at += datagram.segment) {
    const uint32_t length = std::min(datagram.segment, datagram.length - at);
    switch (arrival) {
      case Arrival::ikePort: ike(datagram.data + at, length, datagram); break;
      case Arrival::nattPort: natt(datagram.data + at, length, datagram); break;
      case Arrival::protocol50: gather(datagram.data + at, length, datagram, false); break;
    }
  }
}

void Inbound::natt(uint8_t* data, uint32_t length, const os::Datagram& datagram) {
  if (length == 1 && data[0] == 0xFF) {
    counters_.add(Counter::keepaliveIn);
  } else if (length < 4) {
    counters_.add(Counter::dropTooShort);
  } else if (load32(data) == 0) {
    ike(data + 4, length - 4, datagram);
  } else {
    gather(data, length, datagram, true);
  }
}

void Inbound::ike(const uint8_t* data, uint32_t length, const os::Datagram& datagram) {
  // Eight zero octets where the initiator's cookie stands: ESP in UDP of drafts 00 and 01, which floats to no port.
  if (length < ikeHeader || (load32(data) == 0 && load32(data + 4) == 0)) {
    counters_.add(Counter::dropTooShort);
    return;
  }
  counters_.add(Counter::ikeIn);
  if (!events_.ike(datagram.path, {data, length})) counters_.add(Counter::dropIkeRingFull);
}

void Inbound::gather(uint8_t* data, uint32_t length, const os::Datagram& datagram, bool encapsulated) {
  packets_[count_] = {};
  packets_[count_].esp = data;
  packets_[count_].length = length;
  origins_[count_] = {&datagram, encapsulated};
  if (++count_ == mostPackets) open();
}

void Inbound::finish() {
  open();
  settle();
  tun_.flush();
  rebuiltUsed_ = 0;
  checkedDatagram_ = nullptr;
}

void Inbound::open() {
  if (count_ == 0) return;
  counters_.add(Counter::espIn, count_);
  worker_.open(context_.inbound, {packets_.data(), count_});
  for (size_t i = 0; i < count_; i++) opened(packets_[i], origins_[i]);
  count_ = 0;
}

void Inbound::opened(const esp::InboundPacket& packet, const Origin& origin) {
  const bool authentic = packet.result == esp::OpenResult::ok || packet.result == esp::OpenResult::dummy ||
                         packet.result == esp::OpenResult::malformed;
  if (!authentic) {
    refused(packet, origin);
    return;
  }
  Pair& pair = *static_cast<Pair*>(packet.sa->owner());
  if (pair.encapsulated != origin.encapsulated) {
    counters_.add(Counter::dropEncapsulation);
    return;
  }
  const bool switched = packet.truncation && pair.outbound->truncate(packet.sa->truncation());
  if (switched) counters_.add(Counter::truncationSwitched);
  if (packet.first || switched || pair.usedOwed.load(std::memory_order_relaxed)) used(pair);
  checkPath(pair, packet, origin);
  if (packet.result != esp::OpenResult::ok) {
    counters_.add(packet.result == esp::OpenResult::dummy ? Counter::dropDummy : Counter::dropMalformed);
    return;
  }
  if (pair.selector) {
    if (pair.transport) {
      fromHost(pair, packet, origin.datagram->trafficClass);
    } else {
      tunnelled(pair, packet, origin.datagram->trafficClass);
    }
    return;
  }
  if (packet.nextHeader != protocolUdp) {
    counters_.add(Counter::dropNotL2tp);
    return;
  }
  l2tp(pair, packet.payload, packet.payloadLength);
}

void Inbound::refused(const esp::InboundPacket& packet, const Origin& origin) {
  switch (packet.result) {
    case esp::OpenResult::unknownSpi:
      counters_.add(Counter::dropUnknownSpi);
      if (unknownSpi_.allows(hashOf(origin.datagram->path.remote), now_))
        (void)events_.unknownSpi(origin.datagram->path, load32(packet.esp));
      break;
    case esp::OpenResult::replayed: counters_.add(Counter::dropReplayed); break;
    case esp::OpenResult::forged: counters_.add(Counter::dropForged); break;
    case esp::OpenResult::tooShort: counters_.add(Counter::dropTooShort); break;
    default: counters_.add(Counter::dropEngine); break;
  }
}

// The peer has the pair, so it may carry what we send; an older pair never takes over from a newer one.
void Inbound::used(Pair& pair) {
  {
    const std::lock_guard lock(pair.peer.choosing);
    if (pair.removed) return;
    pair.usable = true;
    if (pair.selector) {
      if (pair.rank.load(std::memory_order_relaxed) == 0)
        pair.rank.store(context_.nextRank.fetch_add(1, std::memory_order_relaxed), std::memory_order_release);
    } else {
      const Pair* active = pair.peer.active.load(std::memory_order_relaxed);
      if (active == nullptr || active->ordinal < pair.ordinal) pair.peer.active.store(&pair, std::memory_order_release);
    }
  }
  pair.usedOwed.store(!events_.pairUsed(pair.peer.id, pair.inboundSpi, pair.inbound->truncation()),
                      std::memory_order_relaxed);
}

// Only the newest packet moves a peer: one that was delayed on the old way would move it back (RFC 3948 §2.2 says nothing of order).
void Inbound::checkPath(Pair& pair, const esp::InboundPacket& packet, const Origin& origin) {
  if (!packet.newest || (checkedPair_ == &pair && checkedDatagram_ == origin.datagram)) return;
  checkedPair_ = &pair;
  checkedDatagram_ = origin.datagram;
  const Path& expected = pair.route.get()->path;
  const Path& seen = origin.datagram->path;
  const bool same = pair.encapsulated ? seen == expected
                                      : seen.remote.address == expected.remote.address &&
                                            seen.local.address == expected.local.address;
  if (same) {
    if (pair.movedTo.load(std::memory_order_relaxed) != 0) pair.movedTo.store(0, std::memory_order_relaxed);
    return;
  }
  Path told = seen;
  if (!pair.encapsulated) {
    told.local.port = expected.local.port;
    told.remote.port = expected.remote.port;
  }
  const uint64_t hash = hashOf(told);
  if (pair.movedTo.load(std::memory_order_relaxed) == hash || !pair.peer.moves.take(now_)) return;
  if (events_.moved(pair.peer.id, pair.inboundSpi, told)) pair.movedTo.store(hash, std::memory_order_relaxed);
}

void Inbound::l2tp(Pair& pair, const uint8_t* udp, uint32_t length) {
  // The inner checksum isn't looked at: a NAT has spoilt it, and ESP has authenticated the packet (RFC 3948 §3.1.2).
  const uint32_t udpLength = length >= udpHeader ? load16(udp + 4) : 0;
  L2tpHeader header;
  if (udpLength < udpHeader || udpLength > length || !parseL2tp(udp + udpHeader, udpLength - udpHeader, header)) {
    counters_.add(Counter::dropNotL2tp);
    return;
  }
  const uint8_t* message = udp + udpHeader;
  if (header.control) {
    if (!pair.peer.mayTell(now_, header.length) ||
        !events_.control(pair.peer.id, load16(udp + 2), load16(udp), {message, header.length}))
      counters_.add(Counter::dropEventRingFull);
    return;
  }
  // Only the peer's own sessions are looked at: whatever ids it writes, nothing of another peer is reached.
  if (const auto* sessions = pair.peer.sessions.get()) {
    if (Session* session = sessions->find(header.tunnel, header.session)) {
      ppp(*session, pair, message + header.headerLength, static_cast<uint32_t>(header.length - header.headerLength));
      return;
    }
  }
  counters_.add(Counter::dropStray);
  const uint64_t source = (static_cast<uint64_t>(pair.peer.id) << 16) ^ header.session;
  if (stray_.allows(source, now_)) (void)events_.strayData(pair.peer.id, header.tunnel, header.session);
}

void Inbound::ppp(Session& session, const Pair& pair, const uint8_t* frame, uint32_t length) {
  PppFrame header;
  if (!parsePpp(frame, length, header)) {
    counters_.add(Counter::dropInner);
    return;
  }
  const uint8_t* payload = frame + header.headerLength;
  const uint32_t rest = length - header.headerLength;
  if (header.protocol == pppIpv4 || header.protocol == pppIpv6) {
    ip(session, pair, header.protocol, payload, rest);
  } else if (!session.peer.mayTell(now_, rest) || !events_.ppp(session.id, header.protocol, {payload, rest})) {
    counters_.add(Counter::dropEventRingFull);
  }
}

void Inbound::ip(Session& session, const Pair& pair, uint16_t protocol, const uint8_t* data, uint32_t length) {
  const SessionConfiguration* configuration = session.configuration.get();
  if (configuration == nullptr || !configuration->open()) {
    counters_.add(Counter::dropUnconfigured);
    return;
  }
  IpPacket packet;
  if (!parseIp(data, length, packet) || packet.version != (protocol == pppIpv4 ? 4 : 6)) {
    counters_.add(Counter::dropInner);
    return;
  }
  const bool dhcp = !configuration->anySource && isDhcpRequest(packet);
  if (!configuration->allowsSource(packet) && !(dhcp && load32(packet.source()) == 0)) {
    counters_.add(Counter::dropSource);
    session.counters.wrongSource.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  count(session.counters, packet.length);
  if (dhcp) {
    if (!session.peer.mayTell(now_, packet.length) || !events_.dhcp(session.id, {packet.data, packet.length}))
      counters_.add(Counter::dropEventRingFull);
    return;
  }
  if (clampMss(packet, Outbound::innerMtu(*pair.route.get(), session, *configuration), false))
    counters_.add(Counter::mssClamped);
  tun_.add(packet);
}

// RFC 4301 §5.2: what comes out must be what was agreed on, or a peer could speak as anybody.
void Inbound::tunnelled(Pair& pair, const esp::InboundPacket& opened, uint8_t outerClass) {
  Tunnel* tunnel = pair.tunnel.load(std::memory_order_acquire);
  IpPacket packet;
  if (tunnel == nullptr || opened.nextHeader != protocolIpInIp ||
      !parseIp(opened.payload, opened.payloadLength, packet) || packet.version != 4) {
    counters_.add(Counter::dropInner);
    return;
  }
  // A congestion mark is the network's word to the inner packet's sender (RFC 6040 §4.2); the inner DSCP stays as it was.
  const Ecn inner = ecnOf(packet.data[1]);
  const std::optional<Ecn> ecn = ecnAtExit(inner, ecnOf(outerClass));
  if (!ecn) {
    counters_.add(Counter::dropCongested);
    return;
  }
  if (*ecn != inner) {
    setEcn4(opened.payload, *ecn);
    counters_.add(Counter::congestionMarked);
  }
  toTun(pair, *tunnel, packet, pair.route.get()->largestPayload);
}

void Inbound::toTun(Pair& pair, Tunnel& tunnel, const IpPacket& packet, uint32_t mtu) {
  if (!pair.selector->meets(packet, Way::in)) {
    counters_.add(Counter::dropSelector);
    tunnel.counters.wrongSource.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  count(tunnel.counters, packet.length);
  if (clampMss(packet, mtu, false)) counters_.add(Counter::mssClamped);
  tun_.add(packet);
}

// Transport mode between two hosts: the outer header is taken away, and one of ours with the pair's own addresses put in its place, whatever the outer one
// said but for its DSCP and ECN, which were the packet's own. A copy, since there need not be room for it in front.
void Inbound::fromHost(Pair& pair, const esp::InboundPacket& opened, uint8_t outerClass) {
  Tunnel* tunnel = pair.tunnel.load(std::memory_order_acquire);
  const Route& route = *pair.route.get();
  const uint32_t length = ipv4Header + opened.payloadLength;
  if (tunnel == nullptr || !route.path.remote.address.isV4() || length > 0xFFFF) {
    counters_.add(Counter::dropInner);
    return;
  }
  if (!rebuilt_) rebuilt_ = std::make_unique<uint8_t[]>(rebuiltRoom);
  if (rebuiltUsed_ + length > rebuiltRoom) {
    tun_.flush();
    rebuiltUsed_ = 0;
  }
  uint8_t* header = rebuilt_.get() + rebuiltUsed_;
  std::memset(header, 0, ipv4Header);
  header[0] = 0x45;
  header[1] = outerClass;
  store16(header + 2, static_cast<uint16_t>(length));
  store16(header + 6, 0x4000);  // DF: no identification is needed (RFC 6864 §4.1)
  header[8] = 64;
  header[9] = opened.nextHeader;
  std::memcpy(header + 12, route.path.remote.address.octets.data(), 4);
  std::memcpy(header + 16, route.path.local.address.octets.data(), 4);
  store16(header + 10, checksumField(checksumSum(header, ipv4Header)));
  std::memcpy(header + ipv4Header, opened.payload, opened.payloadLength);
  IpPacket packet;
  if (!parseIp(header, length, packet)) {
    counters_.add(Counter::dropInner);
    return;
  }
  rebuiltUsed_ += length;
  toTun(pair, *tunnel, packet, route.largestPayload + ipv4Header);
}

void Inbound::count(SessionCounters& counters, uint32_t octets) {
  if (counted_ != &counters) settle();
  counted_ = &counters;
  countedPackets_ += 1;
  countedOctets_ += octets;
}

void Inbound::settle() {
  if (counted_ == nullptr) return;
  counted_->packetsIn.fetch_add(countedPackets_, std::memory_order_relaxed);
  counted_->octetsIn.fetch_add(countedOctets_, std::memory_order_relaxed);
  counted_ = nullptr;
  countedPackets_ = 0;
  countedOctets_ = 0;
}

}  // namespace gatehouse::pipeline
