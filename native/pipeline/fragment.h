// Fragments an inner IPv4 packet whose sender allows it (RFC 791 §3.2).
#pragma once

#include <cstddef>
#include <cstdint>

#include "pipeline/ip-packet.h"

namespace gatehouse::pipeline {

/// Walks the fragments of one packet. The packet must be IPv4 without DF, and `mtu` at least 68.
class Fragmenter {
 public:
  Fragmenter(const IpPacket& packet, uint32_t mtu);
  /// Writes the next fragment, at most `mtu` octets, and returns its length; 0 when there are no more.
  size_t next(uint8_t* to);

 private:
  const IpPacket packet_;
  uint32_t room_;
  uint32_t at_ = 0;
};

}  // namespace gatehouse::pipeline
