// What the data plane needs to know of an inner IP packet, found once and checked against the octets that are really there.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gatehouse::pipeline {

constexpr uint8_t protocolIcmp = 1;
constexpr uint8_t protocolTcp = 6;
constexpr uint8_t protocolUdp = 17;
constexpr uint8_t protocolIcmp6 = 58;

struct IpPacket {
  const uint8_t* data = nullptr;
  /// The packet's own length: link padding behind it is cut off.
  uint32_t length = 0;
  uint8_t version = 0;
  /// Octets before the upper layer: for IPv6 with hop-by-hop, routing, destination and fragment headers.
  uint16_t headerLength = 0;
  /// The upper layer's protocol.
  uint8_t protocol = 0;
  /// A fragment that isn't the first: its upper-layer header is elsewhere.
  bool laterFragment = false;
  /// Any fragment.
  bool fragment = false;
  /// IPv4 only; IPv6 packets are never fragmented on the way.
  bool dontFragment = true;

  [[nodiscard]] uint8_t addressLength() const { return version == 4 ? 4 : 16; }
  [[nodiscard]] const uint8_t* source() const { return data + (version == 4 ? 12 : 8); }
  [[nodiscard]] const uint8_t* destination() const { return data + (version == 4 ? 16 : 24); }
  [[nodiscard]] const uint8_t* upper() const { return data + headerLength; }
  [[nodiscard]] uint32_t upperLength() const { return length - headerLength; }
};

/// False where the octets are no whole IPv4 (RFC 791) or IPv6 (RFC 8200) packet.
bool parseIp(const uint8_t* data, size_t available, IpPacket& packet);

}  // namespace gatehouse::pipeline
