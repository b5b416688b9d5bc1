#include "pipeline/segment.h"

#include <algorithm>
#include <cstring>

#include "pipeline/checksum.h"
#include "pipeline/octets.h"

namespace gatehouse::pipeline {
namespace {

constexpr uint8_t tcpFin = 0x01;
constexpr uint8_t tcpPsh = 0x08;
constexpr uint8_t tcpCwr = 0x80;

}  // namespace

bool Segments::parse(const VirtioHeader& header, uint8_t* data, size_t length) {
  count_ = 1;
  checksumStart_ = 0;
  checksumAt_ = 0;
  if (!parseIp(data, length, packet_)) return false;
  headers_ = packet_.length;
  size_ = 0;
  if ((header.flags & virtioNeedsChecksum) != 0) {
    checksumStart_ = header.checksumStart;
    const uint32_t at = static_cast<uint32_t>(header.checksumStart) + header.checksumOffset;
    if (checksumStart_ < packet_.headerLength || at + 2 > packet_.length) return false;
    checksumAt_ = static_cast<uint16_t>(at);
  }
  if ((header.gsoType & ~virtioGsoEcn) == virtioGsoNone) return true;
  return parseGso(header);
}

bool Segments::parseGso(const VirtioHeader& header) {
  const uint8_t type = header.gsoType & static_cast<uint8_t>(~virtioGsoEcn);
  const bool tcp = (type == virtioGsoTcp4 && packet_.version == 4) || (type == virtioGsoTcp6 && packet_.version == 6);
  if (!tcp && type != virtioGsoUdp) return false;
  if (packet_.protocol != (tcp ? protocolTcp : protocolUdp) || packet_.fragment || header.gsoSize == 0) return false;
  // The upper layer's header says its own length: hdr_len is a hint that kernels have got wrong (it may cover the linear part of the buffer).
  const uint32_t upper = tcp ? 20 : 8;
  if (packet_.upperLength() < upper) return false;
  headers_ = packet_.headerLength + (tcp ? (packet_.upper()[12] >> 4) * 4U : 8U);
  if (headers_ < packet_.headerLength + upper || headers_ > packet_.length) return false;
  // A GSO packet always comes with an unfinished checksum, and of its own header.
  if (checksumAt_ != packet_.headerLength + (tcp ? 16U : 6U) || checksumStart_ != packet_.headerLength) return false;
  tcp_ = tcp;
  size_ = header.gsoSize;
  const uint32_t payload = packet_.length - headers_;
  count_ = std::max(1U, (payload + size_ - 1) / size_);
  return true;
}

uint32_t Segments::payloadOf(uint32_t index) const {
  if (size_ == 0) return 0;
  const uint32_t payload = packet_.length - headers_;
  return std::min(size_, payload - std::min(payload, index * size_));
}

uint32_t Segments::writeWhole(uint8_t* to) const {
  if (checksumAt_ == 0) {
    std::memcpy(to, packet_.data, packet_.length);
    return packet_.length;
  }
  // checksumStart need not be even, but an upper-layer header behind IPv4 and IPv6 headers always is; the sum begins there anyway.
  std::memcpy(to, packet_.data, checksumStart_);
  const uint32_t sum =
      checksumCopy(to + checksumStart_, packet_.data + checksumStart_, packet_.length - checksumStart_);
  store16(to + checksumAt_, packet_.protocol == protocolUdp ? checksumFieldUdp(sum) : checksumField(sum));
  return packet_.length;
}

uint32_t Segments::write(uint8_t* to, uint32_t index) const {
  if (size_ == 0) return writeWhole(to);
  const uint32_t payload = payloadOf(index);
  const uint32_t total = headers_ + payload;
  std::memcpy(to, packet_.data, headers_);
  const uint32_t payloadSum = checksumCopy(to + headers_, packet_.data + headers_ + size_t{index} * size_, payload);
  if (packet_.version == 4) {
    store16(to + 2, static_cast<uint16_t>(total));
    store16(to + 4, static_cast<uint16_t>(load16(packet_.data + 4) + index));
    store16(to + 10, 0);
    store16(to + 10, checksumField(checksumSum(to, packet_.headerLength)));
  } else {
    store16(to + 4, static_cast<uint16_t>(total - 40));
  }
  uint8_t* upper = to + packet_.headerLength;
  const uint32_t upperLength = total - packet_.headerLength;
  if (tcp_) {
    store32(upper + 4, load32(upper + 4) + index * size_);
    if (index + 1 < count_) upper[13] &= static_cast<uint8_t>(~(tcpFin | tcpPsh));
    // Congestion window reduced is said once (RFC 3168 §6.1.2).
    if (index > 0) upper[13] &= static_cast<uint8_t>(~tcpCwr);
  } else {
    store16(upper + 4, static_cast<uint16_t>(upperLength));
  }
  store16(to + checksumAt_, 0);
  const uint64_t sum = static_cast<uint64_t>(checksumPseudo(packet_.source(), packet_.destination(),
                                                            packet_.addressLength(), packet_.protocol, upperLength)) +
                       checksumSum(upper, headers_ - packet_.headerLength) + payloadSum;
  store16(to + checksumAt_, tcp_ ? checksumField(sum) : checksumFieldUdp(sum));
  return total;
}

}  // namespace gatehouse::pipeline
