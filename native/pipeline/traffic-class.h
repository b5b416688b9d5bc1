// DSCP and ECN of the outer header and the inner one (RFC 4301 §5.1.2, RFC 6040): the octet that IPv4 calls type of service and IPv6 traffic class.
#pragma once

#include <cstdint>
#include <optional>

#include "pipeline/checksum.h"
#include "pipeline/ip-packet.h"
#include "pipeline/octets.h"

namespace gatehouse::pipeline {

enum class Ecn : uint8_t { notCapable = 0, capable1 = 1, capable0 = 2, congested = 3 };

constexpr uint8_t dscpMask = 0xFC;

constexpr Ecn ecnOf(uint8_t trafficClass) { return static_cast<Ecn>(trafficClass & 3); }

inline uint8_t trafficClassOf(const IpPacket& packet) {
  return packet.version == 4 ? packet.data[1] : static_cast<uint8_t>(packet.data[0] << 4 | packet.data[1] >> 4);
}

/// Of the outer header, on the way in (RFC 6040 §4.1, compatibility mode): the inner DSCP, so that the network treats the packet as it would have, and no ECN,
/// since IKEv1 doesn't tell whether the other end brings a mark inside.
constexpr uint8_t outerClass(uint8_t inner) { return inner & dscpMask; }

/// The inner ECN at the other end (RFC 6040 §4.2, figure 4). Nothing: the packet is dropped, since its sender would not understand the mark.
constexpr std::optional<Ecn> ecnAtExit(Ecn inner, Ecn outer) {
  if (inner == Ecn::notCapable) return outer == Ecn::congested ? std::nullopt : std::optional(inner);
  if (inner == Ecn::congested || outer == Ecn::congested) return Ecn::congested;
  return outer == Ecn::capable1 ? outer : inner;
}

/// Of an IPv4 header, with its checksum (RFC 1624 §3).
inline void setEcn4(uint8_t* header, Ecn ecn) {
  const uint16_t before = load16(header);
  header[1] = static_cast<uint8_t>((header[1] & dscpMask) | static_cast<uint8_t>(ecn));
  store16(header + 10, checksumReplace(load16(header + 10), before, load16(header)));
}

}  // namespace gatehouse::pipeline
