// The walk: 1 fromTun: what is it, whose is it, does it fit · 2 sendSegments: each segment into its place in a run · 3 flush: lock the pairs, seal all,
// look at the results, send run by run.
#include "pipeline/outbound.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "pipeline/checksum.h"
#include "pipeline/coalesce.h"
#include "pipeline/fragment.h"
#include "pipeline/l2tp.h"
#include "pipeline/mss.h"
#include "pipeline/octets.h"
#include "pipeline/ppp.h"
#include "pipeline/too-big.h"
#include "pipeline/traffic-class.h"

namespace gatehouse::pipeline {
namespace {

constexpr uint32_t udpHeader = 8;
// RFC 791: every link carries 68 octets; RFC 8200 §5: 1,280. Below that the outer packet is fragmented instead.
constexpr uint32_t leastMtu4 = 68;
constexpr uint32_t leastMtu6 = 1280;

}  // namespace

Outbound::Outbound(Context& context, esp::Worker& worker, const Sockets& sockets, Events& events, Counters& counters,
                   PacketSink& tun)
    : context_(context),
      worker_(worker),
      sockets_(sockets),
      events_(events),
      counters_(counters),
      tun_(tun),
      arena_(new uint8_t[mostRuns * runRoom]),
      scratch_(new uint8_t[65536]) {
  outgoing_.reserve(mostPackets);
}

uint32_t Outbound::innerMtu(const Route& route, const Session& session, const SessionConfiguration& configuration) {
  const auto headers = static_cast<uint32_t>(udpHeader + l2tpDataHeaderLength(session.sequencing) +
                                             pppIpHeaderLength(configuration.acfc, configuration.pfc));
  const uint32_t fits = route.largestPayload > headers ? route.largestPayload - headers : 0;
  return std::min(configuration.mtu, fits);
}

void Outbound::fromTun(const VirtioHeader& header, uint8_t* data, size_t length) {
  counters_.add(Counter::tunIn);
  Segments segments;
  if (!segments.parse(header, data, length)) {
    counters_.add(Counter::dropInner);
    return;
  }
  const IpPacket& packet = segments.packet();
  Session* session = context_.router.find(Address::from(packet.destination(), packet.addressLength()));
  const SessionConfiguration* configuration = session == nullptr ? nullptr : session->configuration.get();
  if (session == nullptr) {
    const TunnelTable* tunnels = context_.tunnels.get();
    if (Tunnel* tunnel = tunnels == nullptr ? nullptr : tunnels->find(packet)) {
      toTunnel(*tunnel, segments);
      return;
    }
  }
  if (configuration == nullptr) {
    counters_.add(Counter::dropNoRoute);
    return;
  }
  Pair* pair = session->peer.active.load(std::memory_order_acquire);
  if (pair == nullptr) {
    counters_.add(Counter::dropNoPair);
    return;
  }
  const Route& route = *pair->route.get();
  const uint32_t mtu = std::max(innerMtu(route, *session, *configuration), packet.version == 4 ? leastMtu4 : leastMtu6);
  if (clampMss(packet, mtu, segments.partialChecksum())) counters_.add(Counter::mssClamped);
  if (segments.largest() > mtu && packet.dontFragment) {
    refuse(session->counters, packet, mtu);
    return;
  }
  sendSegments(*pair, route, *session, *configuration, segments, mtu);
}

void Outbound::refuse(SessionCounters& counters, const IpPacket& packet, uint32_t mtu) {
  counters.tooBig.fetch_add(1, std::memory_order_relaxed);
  counters_.add(Counter::dropTooBig);
  uint8_t answer[tooBigRoom];
  const size_t length = writeTooBig(answer, packet, mtu);
  if (length == 0) return;
  VirtioHeader header;
  const iovec pieces[2] = {{&header, sizeof header}, {answer, length}};
  tun_.write(pieces, 2);
}

// RFC 4301 §8.2: what doesn't fit is told to its sender, or cut before it is sealed, so that no outer packet is ever fragmented. The kernel has counted
// down the TTL on its way here; the outer header takes the DSCP of the inner one and nothing of its ECN (traffic-class.h).
void Outbound::toTunnel(Tunnel& tunnel, const Segments& segments) {
  const IpPacket& packet = segments.packet();
  Pair* pair = tunnel.carrier(packet);
  if (pair == nullptr) {
    hold(tunnel, segments);
    return;
  }
  const Route& route = *pair->route.get();
  if (pair->transport) {
    toHost(tunnel, *pair, route, segments);
    return;
  }
  const uint32_t mtu = std::max(route.largestPayload, packet.version == 4 ? leastMtu4 : leastMtu6);
  if (clampMss(packet, mtu, segments.partialChecksum())) counters_.add(Counter::mssClamped);
  if (segments.largest() > mtu && packet.dontFragment) {
    refuse(tunnel.counters, packet, mtu);
    return;
  }
  const uint8_t outer = outerClass(trafficClassOf(packet));
  uint32_t packets = 0;
  uint64_t octets = 0;
  const auto put = [&](const uint8_t* from, uint32_t length) {
    uint8_t* place = reserve(*pair, route, length, protocolIpInIp, outer);
    if (place == nullptr) return;
    std::memcpy(place, from, length);
    packets += 1;
    octets += length;
  };
  for (uint32_t i = 0; i < segments.count(); i++) {
    const uint32_t length = segments.length(i);
    if (length <= mtu) {
      uint8_t* place = reserve(*pair, route, length, protocolIpInIp, outer);
      if (place == nullptr) continue;
      segments.write(place, i);
      packets += 1;
      octets += length;
      continue;
    }
    IpPacket whole;
    if (!parseIp(scratch_.get(), segments.write(scratch_.get(), i), whole)) continue;
    counters_.add(Counter::fragmented);
    Fragmenter fragmenter(whole, mtu);
    uint8_t fragment[2048];
    for (size_t cut = fragmenter.next(fragment); cut != 0; cut = fragmenter.next(fragment))
      put(fragment, static_cast<uint32_t>(cut));
  }
  tunnel.counters.packetsOut.fetch_add(packets, std::memory_order_relaxed);
  tunnel.counters.octetsOut.fetch_add(octets, std::memory_order_relaxed);
}

// Transport mode between two hosts: what stands behind the IP header, which the outer packet's own takes the place of, with its DSCP and ECN. Whole datagrams alone (RFC 4303
// §3.3.4): a fragment is dropped, and what doesn't fit and may be cut is cut behind ESP, by the kernel.
void Outbound::toHost(Tunnel& tunnel, Pair& pair, const Route& route, const Segments& segments) {
  const IpPacket& packet = segments.packet();
  if (packet.fragment || packet.version != 4 || !route.path.remote.address.isV4()) {
    counters_.add(Counter::dropInner);
    return;
  }
  const uint32_t mtu = std::max(route.largestPayload + packet.headerLength, leastMtu4);
  if (clampMss(packet, mtu, segments.partialChecksum())) counters_.add(Counter::mssClamped);
  if (segments.largest() > mtu && packet.dontFragment) {
    refuse(tunnel.counters, packet, mtu);
    return;
  }
  uint32_t packets = 0;
  uint64_t octets = 0;
  for (uint32_t i = 0; i < segments.count(); i++) {
    const uint32_t length = segments.write(scratch_.get(), i);
    const uint32_t payload = length - packet.headerLength;
    uint8_t* place = reserve(pair, route, payload, packet.protocol, trafficClassOf(packet));
    if (place == nullptr) continue;
    std::memcpy(place, scratch_.get() + packet.headerLength, payload);
    packets += 1;
    octets += length;
  }
  tunnel.counters.packetsOut.fetch_add(packets, std::memory_order_relaxed);
  tunnel.counters.octetsOut.fetch_add(octets, std::memory_order_relaxed);
}

void Outbound::hold(Tunnel& tunnel, const Segments& segments) {
  if (!tunnel.hold.load(std::memory_order_relaxed)) {
    counters_.add(Counter::dropNoPair);
    return;
  }
  const auto now =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch())
          .count();
  if (tunnel.asked.take(static_cast<uint64_t>(now)) && !events_.acquire(tunnel.id, segments.packet()))
    counters_.add(Counter::dropEventRingFull);
  for (uint32_t i = 0; i < segments.count(); i++) {
    std::vector<uint8_t> packet(segments.length(i));
    segments.write(packet.data(), i);
    counters_.add(tunnel.held.put(std::move(packet)) ? Counter::held : Counter::dropHeld);
  }
}

void Outbound::sendSegments(Pair& pair, const Route& route, Session& session, const SessionConfiguration& configuration,
                            const Segments& segments, uint32_t mtu) {
  const Headers headers =
      headersOf(session, segments.packet().version == 4 ? pppIpv4 : pppIpv6, configuration.acfc, configuration.pfc);
  const bool checksum = !route.path.remote.address.isV4();
  uint32_t packets = 0;
  uint64_t octets = 0;
  for (uint32_t i = 0; i < segments.count(); i++) {
    const uint32_t length = segments.length(i);
    octets += length;
    if (length > mtu) {
      packets += sendFragments(pair, route, session, headers, segments, i, mtu);
      continue;
    }
    uint8_t* udp = begin(pair, route, session, headers, length);
    if (udp == nullptr) continue;
    segments.write(udp + headers.length, i);
    if (checksum) finishUdp(pair, route, udp, headers.length + length, true);
    packets += 1;
  }
  session.counters.packetsOut.fetch_add(packets, std::memory_order_relaxed);
  session.counters.octetsOut.fetch_add(octets, std::memory_order_relaxed);
}

uint32_t Outbound::sendFragments(Pair& pair, const Route& route, Session& session, const Headers& headers,
                                 const Segments& segments, uint32_t index, uint32_t mtu) {
  IpPacket whole;
  if (!parseIp(scratch_.get(), segments.write(scratch_.get(), index), whole)) return 0;
  counters_.add(Counter::fragmented);
  Fragmenter fragmenter(whole, mtu);
  uint8_t fragment[2048];
  uint32_t packets = 0;
  // A route's payload fits 1,500 octets, so a fragment fits here.
  for (size_t length = fragmenter.next(fragment); length != 0; length = fragmenter.next(fragment)) {
    uint8_t* udp = begin(pair, route, session, headers, static_cast<uint32_t>(length));
    if (udp == nullptr) break;
    std::memcpy(udp + headers.length, fragment, length);
    finishUdp(pair, route, udp, headers.length + static_cast<uint32_t>(length), !route.path.remote.address.isV4());
    packets += 1;
  }
  return packets;
}

Outbound::Headers Outbound::headersOf(Session& session, uint16_t protocol, bool acfc, bool pfc) {
  Headers headers;
  store16(headers.octets, session.local.port);
  store16(headers.octets + 2, session.remote.port);
  std::memset(headers.octets + 4, 0, 4);
  headers.length = udpHeader;
  headers.length += static_cast<uint32_t>(writeL2tpDataHeader(headers.octets + udpHeader, session.remote.tunnel,
                                                              session.remote.session, session.sequencing, 0));
  headers.length += static_cast<uint32_t>(writePppHeader(headers.octets + headers.length, protocol, acfc, pfc));
  return headers;
}

// Room for one packet of the session with its headers in place; `length` octets are to be written behind them.
uint8_t* Outbound::begin(Pair& pair, const Route& route, Session& session, const Headers& headers, uint32_t length) {
  uint8_t* udp = reserve(pair, route, headers.length + length);
  if (udp == nullptr) return nullptr;
  std::memcpy(udp, headers.octets, headers.length);
  store16(udp + 4, static_cast<uint16_t>(headers.length + length));
  if (session.sequencing) store16(udp + udpHeader + 6, session.nextNs.fetch_add(1, std::memory_order_relaxed));
  return udp;
}

// Zero where IPv4 allows it: ESP has authenticated the packet, and behind a NAT the peer sees other addresses than we do.
void Outbound::finishUdp(const Pair& pair, const Route& route, uint8_t* udp, uint32_t length, bool checksum) {
  store16(udp + 6, 0);
  if (!checksum) return;
  const Address& ours = pair.natOa ? pair.natOa->first : route.path.local.address;
  const Address& peers = pair.natOa ? pair.natOa->second : route.path.remote.address;
  const uint64_t sum =
      static_cast<uint64_t>(checksumPseudo(ours.octets.data(), peers.octets.data(), ours.length, protocolUdp, length)) +
      checksumSum(udp, length);
  store16(udp + 6, checksumFieldUdp(sum));
}

bool Outbound::control(Peer& peer, uint16_t localPort, uint16_t remotePort, std::span<const uint8_t> message) {
  Pair* pair = peer.active.load(std::memory_order_acquire);
  if (pair == nullptr || message.size() > 0xFFFF - 256) {
    counters_.add(Counter::dropNoPair);
    return false;
  }
  const Route& route = *pair->route.get();
  const auto length = static_cast<uint32_t>(udpHeader + message.size());
  uint8_t* udp = reserve(*pair, route, length);
  if (udp == nullptr) return false;
  store16(udp, localPort);
  store16(udp + 2, remotePort);
  store16(udp + 4, static_cast<uint16_t>(length));
  if (!message.empty()) std::memcpy(udp + udpHeader, message.data(), message.size());
  finishUdp(*pair, route, udp, length, true);  // RFC 2661 §8.1: control messages are summed
  return true;
}

bool Outbound::ppp(Session& session, uint16_t protocol, std::span<const uint8_t> payload) {
  Pair* pair = session.peer.active.load(std::memory_order_acquire);
  if (pair == nullptr || payload.size() > 0xFFFF - 256) {
    counters_.add(Counter::dropNoPair);
    return false;
  }
  const Route& route = *pair->route.get();
  const SessionConfiguration* configuration = session.configuration.get();
  const Headers headers = headersOf(session, protocol, configuration != nullptr && configuration->acfc,
                                    configuration != nullptr && configuration->pfc);
  uint8_t* udp = begin(*pair, route, session, headers, static_cast<uint32_t>(payload.size()));
  if (udp == nullptr) return false;
  if (!payload.empty()) std::memcpy(udp + headers.length, payload.data(), payload.size());
  finishUdp(*pair, route, udp, static_cast<uint32_t>(headers.length + payload.size()),
            !route.path.remote.address.isV4());
  return true;
}

// The payload's place in a run of the pair, with room for what sealing adds. Null if it is longer than a datagram.
uint8_t* Outbound::reserve(Pair& pair, const Route& route, uint32_t payload, uint8_t nextHeader, uint8_t trafficClass) {
  const bool switched = pair.outbound->switched();
  const auto sealed = static_cast<uint32_t>(pair.outbound->sealedLength(payload, switched));
  if (sealed > mostRunOctets) {
    counters_.add(Counter::dropTooBig);
    return nullptr;
  }
  if (packetCount_ == mostPackets || octets_ + sealed > mostOctets) flush();
  Run* run = runFor(pair, route, sealed, trafficClass);
  uint8_t* place = run->base + run->used + pair.outbound->headRoom();
  runOf_[packetCount_] = static_cast<uint8_t>(run - runs_.data());
  packets_[packetCount_++] = {
      .sa = pair.outbound.get(), .payload = place, .length = payload, .nextHeader = nextHeader, .switched = switched};
  run->used += sealed;
  run->packets += 1;
  // Only the last datagram of a run may be shorter.
  if (sealed < run->segment) run->closed = true;
  octets_ += sealed;
  return place;
}

Outbound::Run* Outbound::runFor(Pair& pair, const Route& route, uint32_t sealed, uint8_t trafficClass) {
  for (size_t i = runCount_; i-- > 0;) {
    Run& run = runs_[i];
    if (run.pair != &pair) continue;
    // Only a pair's last run may grow, or its packets would overtake one another.
    if (!run.closed && run.route == &route && sealed <= run.segment && run.packets < mostSegments &&
        run.used + sealed <= mostRunOctets && run.trafficClass == trafficClass)
      return &run;
    break;
  }
  if (runCount_ == mostRuns) flush();
  Run& run = runs_[runCount_];
  run = {&pair, &route, &arena_[runCount_ * runRoom], 0, sealed, 0, trafficClass, false, false};
  runCount_ += 1;
  return &run;
}

bool Outbound::holdsFor(const Address& remote) const {
  return std::any_of(runs_.begin(), runs_.begin() + static_cast<std::ptrdiff_t>(runCount_),
                     [&](const Run& run) { return run.route->path.remote.address == remote; });
}

void Outbound::flush() {
  if (packetCount_ == 0) return;
  lockPairs();
  worker_.seal({packets_.data(), packetCount_});
  checkResults();
  send();
  while (lockedCount_ != 0) locked_[--lockedCount_]->sending.unlock();
  packetCount_ = 0;
  runCount_ = 0;
  octets_ = 0;
}

// In the order of addresses, so that two threads never wait for one another.
void Outbound::lockPairs() {
  for (size_t i = 0; i < runCount_; i++) locked_[i] = runs_[i].pair;
  std::sort(locked_.begin(), locked_.begin() + static_cast<std::ptrdiff_t>(runCount_), std::less<>());
  lockedCount_ = static_cast<size_t>(
      std::unique(locked_.begin(), locked_.begin() + static_cast<std::ptrdiff_t>(runCount_)) - locked_.begin());
  for (size_t i = 0; i < lockedCount_; i++) locked_[i]->sending.lock();
}

void Outbound::checkResults() {
  for (size_t i = 0; i < packetCount_; i++) {
    const esp::OutboundPacket& packet = packets_[i];
    Run& run = runs_[runOf_[i]];
    if (packet.result != esp::SealResult::ok) {
      run.broken = true;
      counters_.add(packet.result == esp::SealResult::exhausted ? Counter::dropExhausted : Counter::dropEngine);
    }
    const bool owed = run.pair->lowOwed.load(std::memory_order_relaxed);
    if (packet.sequenceLow || owed)
      run.pair->lowOwed.store(!events_.sequenceLow(run.pair->peer.id, run.pair->inboundSpi), std::memory_order_relaxed);
  }
}

void Outbound::send() {
  for (size_t i = 0; i < runCount_; i++) sendRun(runs_[i], i);
  transmit();
}

void Outbound::sendRun(const Run& run, size_t index) {
  const Path& path = run.route->path;
  const auto& sockets = !run.pair->encapsulated               ? sockets_.esp
                        : path.local.port == context_.ikePort ? sockets_.ike
                                                              : sockets_.natt;
  const os::Socket* socket = Sockets::serving(sockets, path.local.address);
  if (socket == nullptr) {
    counters_.add(Counter::dropSend, run.packets);
    return;
  }
  if (socket != outgoingSocket_) transmit();
  outgoingSocket_ = socket;
  if (run.pair->encapsulated && socket->segments() && !run.broken) {
    outgoing_.push_back({run.base, run.used, run.segment, &path, 0, run.trafficClass});
    return;
  }
  for (size_t i = 0; i < packetCount_; i++) {
    if (runOf_[i] == index && packets_[i].result == esp::SealResult::ok)
      outgoing_.push_back({packets_[i].esp, packets_[i].espLength, 0, &path, 0, run.trafficClass});
  }
}

void Outbound::transmit() {
  if (outgoing_.empty()) return;
  const os::SendResult result = os::sendAll(*outgoingSocket_, outgoing_.data(), outgoing_.size());
  counters_.add(Counter::espOut, result.sent);
  if (result.failed != 0) counters_.add(Counter::dropSend, result.failed);
  if (result.cutHere != 0) counters_.add(Counter::cutByHand, result.cutHere);
  outgoing_.clear();
}

}  // namespace gatehouse::pipeline
