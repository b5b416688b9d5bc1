// PPP framing as L2TP carries it (RFC 1661 §2, RFC 1662 §3.1 without flags and FCS): with and without FF 03 and with a protocol of one or two octets.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gatehouse::pipeline {

constexpr uint16_t pppIpv4 = 0x0021;
constexpr uint16_t pppIpv6 = 0x0057;
constexpr uint16_t pppLcp = 0xC021;

struct PppFrame {
  uint16_t protocol = 0;
  /// Octets before the payload.
  uint8_t headerLength = 0;
};

/// False where there is no whole protocol field. Compression is understood whether it was agreed or not: nothing is ambiguous (RFC 1661 §6.5).
bool parsePpp(const uint8_t* data, size_t available, PppFrame& frame);

/// At most 4 octets; LCP never compressed (RFC 1661 §6.5, §6.6). Returns how many were written.
size_t writePppHeader(uint8_t* to, uint16_t protocol, bool acfc, bool pfc);

constexpr size_t pppIpHeaderLength(bool acfc, bool pfc) { return (acfc ? 0U : 2U) + (pfc ? 1U : 2U); }

}  // namespace gatehouse::pipeline
