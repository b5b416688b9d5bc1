// From the TUN to the network: find the session, cut, clamp or refuse, put PPP, L2TP and UDP in front, seal, send.
// Packets are gathered in runs: one pair's packets of one size, contiguous, so that the kernel takes a run as one datagram to be cut (UDP GSO).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "esp/worker.h"
#include "pipeline/coalesce.h"
#include "pipeline/context.h"
#include "pipeline/segment.h"

namespace gatehouse::pipeline {

/// Used by one thread. Everything is done inside one epoch, except by the control thread, which needs none.
class Outbound {
 public:
  /// `sockets` are looked for there at each flush: the main thread borrows those of the first worker.
  Outbound(Context& context, esp::Worker& worker, const Sockets& sockets, Events& events, Counters& counters,
           PacketSink& tun);

  /// One read of the TUN. Its octets may be used again when this returns. May flush.
  void fromTun(const VirtioHeader& header, uint8_t* data, size_t length);
  /// An L2TP message on the peer's active pair. False if it has none, or the message is too long.
  bool control(Peer& peer, uint16_t localPort, uint16_t remotePort, std::span<const uint8_t> message);
  /// A PPP frame on a session.
  bool ppp(Session& session, uint16_t protocol, std::span<const uint8_t> payload);
  /// Seals and sends what was gathered.
  void flush();
  /// Something gathered goes to this outer address.
  [[nodiscard]] bool holdsFor(const Address& remote) const;

  /// Octets of IP packet that may go through the session on this route without being cut on the way.
  static uint32_t innerMtu(const Route& route, const Session& session, const SessionConfiguration& configuration);

 private:
  static constexpr size_t mostRuns = 32;
  static constexpr size_t mostPackets = 512;
  /// Octets gathered before a flush, so that nobody waits long for a pair that is being sent on.
  static constexpr size_t mostOctets = size_t{256} * 1024;
  /// Not a multiple of 4,096, so that runs don't begin in the same cache sets.
  static constexpr size_t runRoom = 65536 + 1088;
  static constexpr uint32_t mostSegments = 64;
  static constexpr uint32_t mostRunOctets = 65000;

  struct Run {
    Pair* pair;
    const Route* route;
    uint8_t* base;
    uint32_t used;
    uint32_t segment;
    uint32_t packets;
    uint8_t trafficClass;
    bool closed;
    bool broken;
  };
  /// UDP, L2TP and PPP headers of one session, to be copied in front of each packet.
  struct Headers {
    uint8_t octets[8 + 10 + 4];
    uint32_t length = 0;
  };

  uint8_t* reserve(Pair& pair, const Route& route, uint32_t payload, uint8_t nextHeader = protocolUdp,
                   uint8_t trafficClass = 0);
  void toTunnel(Tunnel& tunnel, const Segments& segments);
  void toHost(Tunnel& tunnel, Pair& pair, const Route& route, const Segments& segments);
  void hold(Tunnel& tunnel, const Segments& segments);
  Run* runFor(Pair& pair, const Route& route, uint32_t sealed, uint8_t trafficClass);
  void finishUdp(const Pair& pair, const Route& route, uint8_t* udp, uint32_t length, bool checksum);
  static Headers headersOf(Session& session, uint16_t protocol, bool acfc, bool pfc);
  uint8_t* begin(Pair& pair, const Route& route, Session& session, const Headers& headers, uint32_t length);
  void sendSegments(Pair& pair, const Route& route, Session& session, const SessionConfiguration& configuration,
                    const Segments& segments, uint32_t mtu);
  uint32_t sendFragments(Pair& pair, const Route& route, Session& session, const Headers& headers,
                         const Segments& segments, uint32_t index, uint32_t mtu);
  void refuse(SessionCounters& counters, const IpPacket& packet, uint32_t mtu);
  void lockPairs();
  void checkResults();
  void send();
  void sendRun(const Run& run, size_t index);
  void transmit();

  Context& context_;
  esp::Worker& worker_;
  const Sockets& sockets_;
  Events& events_;
  Counters& counters_;
  PacketSink& tun_;
  std::unique_ptr<uint8_t[]> arena_;
  std::unique_ptr<uint8_t[]> scratch_;
  std::array<Run, mostRuns> runs_;
  std::array<esp::OutboundPacket, mostPackets> packets_;
  std::array<uint8_t, mostPackets> runOf_;
  std::array<Pair*, mostRuns> locked_;
  std::vector<os::Outgoing> outgoing_;
  const os::Socket* outgoingSocket_ = nullptr;
  size_t runCount_ = 0;
  size_t packetCount_ = 0;
  size_t lockedCount_ = 0;
  size_t octets_ = 0;
};

}  // namespace gatehouse::pipeline
