#include "pipeline/ip-packet.h"

#include "pipeline/octets.h"

namespace gatehouse::pipeline {
namespace {

bool parseV4(const uint8_t* data, size_t available, IpPacket& packet) {
  if (available < 20) return false;
  const uint16_t header = static_cast<uint16_t>((data[0] & 0x0F) * 4);
  const uint16_t total = load16(data + 2);
  if (header < 20 || total < header || total > available) return false;
  const uint16_t fragment = load16(data + 6);
  packet.data = data;
  packet.length = total;
  packet.version = 4;
  packet.headerLength = header;
  packet.protocol = data[9];
  packet.laterFragment = (fragment & 0x1FFF) != 0;
  packet.fragment = (fragment & 0x3FFF) != 0;
  packet.dontFragment = (fragment & 0x4000) != 0;
  return true;
}

bool parseV6(const uint8_t* data, size_t available, IpPacket& packet) {
  if (available < 40) return false;
  const uint32_t total = 40U + load16(data + 4);
  if (total > available) return false;
  packet.data = data;
  packet.length = total;
  packet.version = 6;
  packet.dontFragment = true;
  packet.laterFragment = false;
  packet.fragment = false;
  uint8_t next = data[6];
  uint32_t at = 40;
  // Hop-by-hop, routing, fragment, destination options (RFC 8200 §4.1). Each takes at least 8 octets, so the walk ends.
  while (next == 0 || next == 43 || next == 44 || next == 60) {
    if (at + 8 > total || packet.laterFragment) break;
    const uint32_t size = next == 44 ? 8 : 8U * (data[at + 1] + 1U);
    if (at + size > total) break;
    if (next == 44) {
      packet.fragment = true;
      packet.laterFragment = (load16(data + at + 2) & 0xFFF8) != 0;
    }
    next = data[at];
    at += size;
  }
  packet.headerLength = static_cast<uint16_t>(at);
  packet.protocol = next;
  return true;
}

}  // namespace

bool parseIp(const uint8_t* data, size_t available, IpPacket& packet) {
  if (available == 0) return false;
  switch (data[0] >> 4) {
    case 4: return parseV4(data, available, packet);
    case 6: return parseV6(data, available, packet);
    default: return false;
  }
}

}  // namespace gatehouse::pipeline
