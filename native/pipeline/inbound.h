// From the network to the TUN: tell IKE, keepalives and ESP apart, open in batches, check that the packet belongs where it claims to, and hand on
// what is inside: IP to the TUN, everything else to the main thread.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "esp/worker.h"
#include "pipeline/coalesce.h"
#include "pipeline/context.h"
#include "pipeline/rate-limit.h"

namespace gatehouse::pipeline {

/// How a datagram came.
enum class Arrival : uint8_t { ikePort, nattPort, protocol50 };

/// Used by one thread, inside an epoch.
class Inbound {
 public:
  Inbound(Context& context, esp::Worker& worker, Events& events, Counters& counters, Coalescer& tun)
      : context_(context), worker_(worker), events_(events), counters_(counters), tun_(tun) {}

  /// The datagram's octets must stay until finish(). `now`: milliseconds.
  void datagram(const os::Datagram& datagram, Arrival arrival, uint64_t now);
  /// Opens what was gathered and writes what came out.
  void finish();

 private:
  static constexpr size_t mostPackets = 256;

  struct Origin {
    const os::Datagram* datagram;
    bool encapsulated;
  };

  void natt(uint8_t* data, uint32_t length, const os::Datagram& datagram);
  void ike(const uint8_t* data, uint32_t length, const os::Datagram& datagram);
  void gather(uint8_t* data, uint32_t length, const os::Datagram& datagram, bool encapsulated);
  void open();
  void opened(const esp::InboundPacket& packet, const Origin& origin);
  void refused(const esp::InboundPacket& packet, const Origin& origin);
  void used(Pair& pair);
  void checkPath(Pair& pair, const esp::InboundPacket& packet, const Origin& origin);
  void l2tp(Pair& pair, const uint8_t* udp, uint32_t length);
  void ppp(Session& session, const Pair& pair, const uint8_t* frame, uint32_t length);
  void tunnelled(Pair& pair, const esp::InboundPacket& packet, uint8_t outerClass);
  void fromHost(Pair& pair, const esp::InboundPacket& packet, uint8_t outerClass);
  void toTun(Pair& pair, Tunnel& tunnel, const IpPacket& packet, uint32_t mtu);
  void ip(Session& session, const Pair& pair, uint16_t protocol, const uint8_t* data, uint32_t length);
  void count(SessionCounters& counters, uint32_t octets);
  void settle();

  Context& context_;
  esp::Worker& worker_;
  Events& events_;
  Counters& counters_;
  Coalescer& tun_;
  std::array<esp::InboundPacket, mostPackets> packets_;
  std::array<Origin, mostPackets> origins_;
  size_t count_ = 0;
  uint64_t now_ = 0;
  RateLimit unknownSpi_{50};
  RateLimit stray_{50};
  // Of the session that is being counted: packets of one session mostly come together.
  SessionCounters* counted_ = nullptr;
  uint64_t countedPackets_ = 0;
  uint64_t countedOctets_ = 0;
  // The pair and datagram whose path was checked last: all packets of a coalesced datagram came the same way.
  const Pair* checkedPair_ = nullptr;
  const os::Datagram* checkedDatagram_ = nullptr;
  // Packets with an IP header again, until they are written to the TUN.
  static constexpr uint32_t rebuiltRoom = 128 * 1024;
  std::unique_ptr<uint8_t[]> rebuilt_;
  uint32_t rebuiltUsed_ = 0;
};

}  // namespace gatehouse::pipeline
