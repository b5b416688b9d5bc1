#include "pipeline/l2tp.h"

#include "pipeline/octets.h"

namespace gatehouse::pipeline {
namespace {

constexpr uint16_t typeBit = 0x8000;
constexpr uint16_t lengthBit = 0x4000;
constexpr uint16_t sequenceBit = 0x0800;
constexpr uint16_t offsetBit = 0x0200;
constexpr uint16_t versionMask = 0x000F;
constexpr uint16_t version = 2;

}  // namespace

bool parseL2tp(const uint8_t* data, size_t available, L2tpHeader& header) {
  if (available < 6 || available > 0xFFFF) return false;
  const uint16_t flags = load16(data);
  if ((flags & versionMask) != version) return false;
  size_t at = 2;
  size_t length = available;
  if ((flags & lengthBit) != 0) {
    length = load16(data + at);
    at += 2;
    if (length > available) return false;
  }
  const size_t needed = at + 4 + ((flags & sequenceBit) != 0 ? 4 : 0) + ((flags & offsetBit) != 0 ? 2 : 0);
  if (length < needed) return false;
  header.control = (flags & typeBit) != 0;
  header.tunnel = load16(data + at);
  header.session = load16(data + at + 2);
  at += 4;
  header.sequenced = (flags & sequenceBit) != 0;
  header.ns = 0;
  if (header.sequenced) {
    header.ns = load16(data + at);
    at += 4;
  }
  if ((flags & offsetBit) != 0) at += 2U + load16(data + at);
  if (at > length) return false;
  header.headerLength = static_cast<uint16_t>(at);
  header.length = static_cast<uint16_t>(length);
  return true;
}

size_t writeL2tpDataHeader(uint8_t* to, uint16_t tunnel, uint16_t session, bool sequenced, uint16_t ns) {
  store16(to, sequenced ? (sequenceBit | version) : version);
  store16(to + 2, tunnel);
  store16(to + 4, session);
  if (!sequenced) return 6;
  store16(to + 6, ns);
  store16(to + 8, 0);
  return 10;
}

}  // namespace gatehouse::pipeline
