// What is said to the sender of a packet that doesn't fit: ICMP "fragmentation needed" (RFC 792, RFC 1191 §4) or ICMPv6 "packet too big" (RFC 4443 §3.2).
#pragma once

#include <cstddef>
#include <cstdint>

#include "pipeline/ip-packet.h"

namespace gatehouse::pipeline {

/// The most octets that writeTooBig writes: the least IPv6 MTU.
constexpr size_t tooBigRoom = 1280;

/// Writes the whole answer, from the packet's destination to its source: an address of our own would be refused by the kernel as coming from outside.
/// Returns its length, or 0 where none may be sent (RFC 1122 §3.2.2, RFC 4443 §2.4 (e): answers to ICMP errors, later fragments, multicast).
size_t writeTooBig(uint8_t* to, const IpPacket& packet, uint32_t mtu);

}  // namespace gatehouse::pipeline
