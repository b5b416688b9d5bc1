// Puts TCP segments (and equal UDP datagrams) that came out of the tunnel one after another together again before they are written to the TUN: one
// super-packet costs the kernel about as much as one packet. The end-to-end checksum is verified first, since it is replaced.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstdint>
#include <numeric>

#include "pipeline/ip-packet.h"
#include "pipeline/segment.h"

namespace gatehouse::pipeline {

/// Takes one packet in pieces, the first of which is the virtio header.
class PacketSink {
 public:
  PacketSink() = default;
  PacketSink(const PacketSink&) = delete;
  PacketSink& operator=(const PacketSink&) = delete;
  virtual ~PacketSink() = default;
  virtual void write(const iovec* pieces, size_t count) = 0;
};

class Coalescer {
 public:
  /// `tcp`, `udp`: what the sink takes as super-packets.
  Coalescer(PacketSink& sink, bool tcp, bool udp) : sink_(sink), tcp_(tcp), udp_(udp) {
    std::iota(order_.begin(), order_.end(), uint8_t{0});
  }

  /// Writes the packet, now or by flush(); its octets must stay where they are until then. Packets of one flow keep their order.
  void add(const IpPacket& packet);
  void flush();

 private:
  /// Flows that come in turns: of what one call of recvmmsg() brings, 32 flows' packets still become 32 writes.
  static constexpr size_t mostGroups = 32;
  static constexpr uint32_t mostPieces = 64;
  static constexpr uint32_t mostOctets = 65535;

  struct Flow {
    bool mergeable = false;
    uint32_t headers = 0;
    uint32_t payload = 0;
  };
  struct Group {
    IpPacket first;
    Flow flow;
    uint32_t nextSequence = 0;
    uint32_t octets = 0;
    uint32_t pieces = 0;
    bool push = false;
    bool closed = false;
    std::array<iovec, 2 + mostPieces> vectors;
  };

  [[nodiscard]] Flow classify(const IpPacket& packet) const;
  [[nodiscard]] static uint32_t keyOf(const IpPacket& packet);
  [[nodiscard]] static bool sameFlow(const IpPacket& a, const IpPacket& b);
  static bool append(Group& group, const IpPacket& packet, const Flow& flow);
  void writeAlone(const IpPacket& packet);
  void writeGroup(Group& group);
  void drop(size_t index);

  PacketSink& sink_;
  const bool tcp_;
  const bool udp_;
  std::array<Group, mostGroups> groups_;
  /// Of the group at the same place: what is unequal is another flow.
  std::array<uint32_t, mostGroups> keys_{};
  std::array<uint8_t, mostGroups> order_;
  size_t open_ = 0;
};

}  // namespace gatehouse::pipeline
