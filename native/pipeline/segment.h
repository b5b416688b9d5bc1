// What comes out of the TUN: a virtio header and either one packet, perhaps with its checksum unfinished, or a super-packet of up to 64 KiB that is to be
// cut into TCP segments or UDP datagrams here (virtio specification §5.1.6.2).
#pragma once

#include <cstddef>
#include <cstdint>

#include "pipeline/ip-packet.h"

namespace gatehouse::pipeline {

/// struct virtio_net_hdr, ten octets in the machine's byte order.
struct VirtioHeader {
  uint8_t flags = 0;
  uint8_t gsoType = 0;
  uint16_t headerLength = 0;
  uint16_t gsoSize = 0;
  uint16_t checksumStart = 0;
  uint16_t checksumOffset = 0;
};
static_assert(sizeof(VirtioHeader) == 10);

constexpr uint8_t virtioNeedsChecksum = 1;
constexpr uint8_t virtioGsoNone = 0;
constexpr uint8_t virtioGsoTcp4 = 1;
constexpr uint8_t virtioGsoTcp6 = 4;
constexpr uint8_t virtioGsoUdp = 5;
constexpr uint8_t virtioGsoEcn = 0x80;

/// One read of the TUN, cut as it is written out. Segments are counted from 0.
class Segments {
 public:
  /// False where header and packet don't agree with one another; nothing of it may be used then.
  bool parse(const VirtioHeader& header, uint8_t* data, size_t length);

  /// The packet as it came; its addresses are those of every segment.
  [[nodiscard]] const IpPacket& packet() const { return packet_; }
  [[nodiscard]] uint32_t count() const { return count_; }
  /// Octets of a segment's IP packet.
  [[nodiscard]] uint32_t length(uint32_t index) const { return headers_ + payloadOf(index); }
  /// The largest of them.
  [[nodiscard]] uint32_t largest() const { return length(0); }
  /// The sum in the TCP or UDP field covers only the pseudo-header.
  [[nodiscard]] bool partialChecksum() const { return checksumAt_ != 0; }

  /// Writes one segment, complete with lengths, numbers and checksums, and returns its length.
  uint32_t write(uint8_t* to, uint32_t index) const;

 private:
  [[nodiscard]] uint32_t payloadOf(uint32_t index) const;
  uint32_t writeWhole(uint8_t* to) const;
  bool parseGso(const VirtioHeader& header);

  IpPacket packet_;
  uint32_t count_ = 1;
  uint32_t headers_ = 0;
  uint32_t size_ = 0;
  uint16_t checksumStart_ = 0;
  uint16_t checksumAt_ = 0;
  bool tcp_ = false;
};

}  // namespace gatehouse::pipeline
