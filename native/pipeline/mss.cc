#include "pipeline/mss.h"

#include <algorithm>

#include "pipeline/checksum.h"
#include "pipeline/octets.h"

namespace gatehouse::pipeline {
namespace {

constexpr uint32_t tcpHeader = 20;
constexpr uint8_t synFlag = 0x02;
constexpr uint8_t optionEnd = 0;
constexpr uint8_t optionNone = 1;
constexpr uint8_t optionMss = 2;
// A peer that believed in less would send one octet a packet.
constexpr uint32_t leastMss = 88;

// An option may begin at an odd offset, and then its value spans two words of the sum.
void setValue(uint8_t* tcp, uint32_t at, uint16_t value, bool partialChecksum) {
  const uint32_t first = at & ~1U;
  const uint32_t last = (at + 1) & ~1U;
  const uint16_t before[2] = {load16(tcp + first), load16(tcp + last)};
  store16(tcp + at, value);
  if (partialChecksum) return;
  uint16_t field = checksumReplace(load16(tcp + 16), before[0], load16(tcp + first));
  if (last != first) field = checksumReplace(field, before[1], load16(tcp + last));
  store16(tcp + 16, field);
}

}  // namespace

bool clampMss(const IpPacket& packet, uint32_t mtu, bool partialChecksum) {
  if (packet.protocol != protocolTcp || packet.laterFragment || packet.upperLength() < tcpHeader) return false;
  auto* tcp = const_cast<uint8_t*>(packet.upper());
  if ((tcp[13] & synFlag) == 0) return false;
  const uint32_t end = static_cast<uint32_t>(tcp[12] >> 4) * 4;
  if (end < tcpHeader || end > packet.upperLength()) return false;
  const uint32_t headers = (packet.version == 4 ? 20U : 40U) + tcpHeader;
  const uint32_t limit = std::max(leastMss, mtu > headers ? mtu - headers : 0U);
  for (uint32_t at = tcpHeader; at < end && tcp[at] != optionEnd;) {
    if (tcp[at] == optionNone) {
      at += 1;
      continue;
    }
    if (at + 1 >= end || tcp[at + 1] < 2 || at + tcp[at + 1] > end) return false;
    if (tcp[at] == optionMss && tcp[at + 1] == 4) {
      if (load16(tcp + at + 2) <= limit) return false;
      setValue(tcp, at + 2, static_cast<uint16_t>(limit), partialChecksum);
      return true;
    }
    at += tcp[at + 1];
  }
  return false;
}

}  // namespace gatehouse::pipeline
