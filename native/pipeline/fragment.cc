#include "pipeline/fragment.h"

#include <algorithm>
#include <cstring>

#include "pipeline/checksum.h"
#include "pipeline/octets.h"

namespace gatehouse::pipeline {
namespace {

constexpr uint16_t moreFragments = 0x2000;
constexpr uint8_t optionCopied = 0x80;

// Options that aren't copied become no-operations in all fragments but the first, so that the header keeps its length.
void blankOptions(uint8_t* header, uint32_t length) {
  for (uint32_t at = 20; at < length && header[at] != 0;) {
    if (header[at] == 1) {
      at += 1;
      continue;
    }
    const uint32_t size = at + 1 < length ? header[at + 1] : 0;
    if (size < 2 || at + size > length) return;
    if ((header[at] & optionCopied) == 0) std::memset(header + at, 1, size);
    at += size;
  }
}

}  // namespace

Fragmenter::Fragmenter(const IpPacket& packet, uint32_t mtu)
    : packet_(packet), room_((mtu - packet.headerLength) & ~7U) {}

size_t Fragmenter::next(uint8_t* to) {
  const uint32_t payload = packet_.upperLength();
  if (at_ >= payload) return 0;
  const uint32_t take = std::min(room_, payload - at_);
  std::memcpy(to, packet_.data, packet_.headerLength);
  std::memcpy(to + packet_.headerLength, packet_.upper() + at_, take);
  if (at_ != 0) blankOptions(to, packet_.headerLength);
  const uint16_t before = load16(to + 6);
  const bool last = at_ + take == payload && (before & moreFragments) == 0;
  store16(to + 6, static_cast<uint16_t>(((before & 0x1FFF) + at_ / 8) | (last ? 0 : moreFragments)));
  store16(to + 2, static_cast<uint16_t>(packet_.headerLength + take));
  store16(to + 10, 0);
  store16(to + 10, checksumField(checksumSum(to, packet_.headerLength)));
  at_ += take;
  return packet_.headerLength + take;
}

}  // namespace gatehouse::pipeline
