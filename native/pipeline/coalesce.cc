#include "pipeline/coalesce.h"

#include <algorithm>
#include <cstring>

#include "pipeline/checksum.h"
#include "pipeline/octets.h"

namespace gatehouse::pipeline {
namespace {

constexpr uint8_t tcpPsh = 0x08;
constexpr uint8_t tcpAck = 0x10;
constexpr uint32_t mostHeaders = 40 + 60;

bool checksumValid(const IpPacket& packet) {
  const uint64_t sum =
      static_cast<uint64_t>(checksumPseudo(packet.source(), packet.destination(), packet.addressLength(),
                                           packet.protocol, packet.upperLength())) +
      checksumSum(packet.upper(), packet.upperLength());
  return checksumFold(sum) == 0xFFFF;
}

bool sameNetworkHeader(const IpPacket& a, const IpPacket& b) {
  // Type of service, flags, TTL; for IPv6 version, class, flow label, hop limit. Lengths, ids and checksums may differ.
  if (a.version == 4)
    return a.data[1] == b.data[1] && (load16(a.data + 6) == load16(b.data + 6)) && a.data[8] == b.data[8];
  return std::memcmp(a.data, b.data, 4) == 0 && a.data[7] == b.data[7];
}

}  // namespace

Coalescer::Flow Coalescer::classify(const IpPacket& packet) const {
  Flow flow;
  // No IP options and no extension headers.
  if (packet.fragment || packet.headerLength != (packet.version == 4 ? 20 : 40)) return flow;
  if (packet.protocol == protocolTcp && tcp_ && packet.upperLength() >= 20) {
    const uint32_t header = static_cast<uint32_t>(packet.upper()[12] >> 4) * 4;
    if (header < 20 || header >= packet.upperLength() || (packet.upper()[13] & ~tcpPsh) != tcpAck) return flow;
    flow.headers = packet.headerLength + header;
  } else if (packet.protocol == protocolUdp && udp_ && packet.upperLength() > 8) {
    if (load16(packet.upper() + 4) != packet.upperLength() || load16(packet.upper() + 6) == 0) return flow;
    flow.headers = packet.headerLength + 8U;
  } else {
    return flow;
  }
  flow.payload = packet.length - flow.headers;
  flow.mergeable = checksumValid(packet);
  return flow;
}

uint32_t Coalescer::keyOf(const IpPacket& packet) {
  constexpr uint32_t prime = 0x01000193;
  uint32_t key = packet.protocol;
  for (uint32_t i = 0; i < 2U * packet.addressLength(); i += 4) key = (key ^ load32(packet.source() + i)) * prime;
  return packet.upperLength() >= 4 ? (key ^ load32(packet.upper())) * prime : key;
}

bool Coalescer::sameFlow(const IpPacket& a, const IpPacket& b) {
  return a.version == b.version && a.protocol == b.protocol && a.headerLength == b.headerLength &&
         std::memcmp(a.source(), b.source(), size_t{2} * a.addressLength()) == 0 && b.upperLength() >= 4 &&
         std::memcmp(a.upper(), b.upper(), 4) == 0;
}

bool Coalescer::append(Group& group, const IpPacket& packet, const Flow& flow) {
  if (group.closed || !flow.mergeable || !group.flow.mergeable || flow.headers != group.flow.headers ||
      flow.payload > group.flow.payload)
    return false;
  if (group.pieces == mostPieces || group.octets + flow.payload > mostOctets || !sameNetworkHeader(packet, group.first))
    return false;
  if (packet.protocol == protocolTcp) {
    const uint8_t* a = group.first.upper();
    const uint8_t* b = packet.upper();
    // Acknowledgement, offset, window and options as in the first; the flags are ACK and perhaps PSH in all.
    const uint32_t options = flow.headers - packet.headerLength - 20U;
    if (load32(b + 4) != group.nextSequence || load32(a + 8) != load32(b + 8) || load16(a + 14) != load16(b + 14) ||
        std::memcmp(a + 20, b + 20, options) != 0)
      return false;
    group.nextSequence += flow.payload;
    group.push = (b[13] & tcpPsh) != 0;
  }
  group.vectors[1 + ++group.pieces] = {const_cast<uint8_t*>(packet.data) + flow.headers, flow.payload};
  group.octets += flow.payload;
  group.closed = group.push || flow.payload < group.flow.payload;
  return true;
}

void Coalescer::add(const IpPacket& packet) {
  const Flow flow = classify(packet);
  const uint32_t key = keyOf(packet);
  for (size_t i = 0; i < open_; i++) {
    Group& group = groups_[order_[i]];
    if (keys_[order_[i]] != key || !sameFlow(group.first, packet)) continue;
    if (append(group, packet, flow)) return;
    writeGroup(group);
    drop(i);
    break;
  }
  if (!flow.mergeable) {
    writeAlone(packet);
    return;
  }
  if (open_ == mostGroups) {
    writeGroup(groups_[order_[0]]);
    drop(0);
  }
  keys_[order_[open_]] = key;
  Group& group = groups_[order_[open_++]];
  group.first = packet;
  group.flow = flow;
  group.octets = packet.length;
  group.pieces = 1;
  group.push = false;
  group.vectors[2] = {const_cast<uint8_t*>(packet.data) + flow.headers, flow.payload};
  if (packet.protocol == protocolTcp) {
    group.nextSequence = load32(packet.upper() + 4) + flow.payload;
    group.push = (packet.upper()[13] & tcpPsh) != 0;
  }
  group.closed = group.push;
}

void Coalescer::flush() {
  for (size_t i = 0; i < open_; i++) writeGroup(groups_[order_[i]]);
  open_ = 0;
}

// The place of a closed group goes behind the open ones.
void Coalescer::drop(size_t index) {
  const uint8_t place = order_[index];
  std::copy(order_.begin() + static_cast<std::ptrdiff_t>(index) + 1,
            order_.begin() + static_cast<std::ptrdiff_t>(open_), order_.begin() + static_cast<std::ptrdiff_t>(index));
  open_ -= 1;
  order_[open_] = place;
}

void Coalescer::writeAlone(const IpPacket& packet) {
  VirtioHeader header;
  const iovec vectors[2] = {{&header, sizeof header}, {const_cast<uint8_t*>(packet.data), packet.length}};
  sink_.write(vectors, 2);
}

void Coalescer::writeGroup(Group& group) {
  if (group.pieces == 1) {
    writeAlone(group.first);
    return;
  }
  const IpPacket& first = group.first;
  uint8_t headers[mostHeaders];
  std::memcpy(headers, first.data, group.flow.headers);
  const uint32_t upperLength = group.octets - first.headerLength;
  if (first.version == 4) {
    store16(headers + 2, static_cast<uint16_t>(group.octets));
    store16(headers + 10, 0);
    store16(headers + 10, checksumField(checksumSum(headers, 20)));
  } else {
    store16(headers + 4, static_cast<uint16_t>(upperLength));
  }
  const bool tcp = first.protocol == protocolTcp;
  VirtioHeader header;
  header.flags = virtioNeedsChecksum;
  header.gsoType = !tcp ? virtioGsoUdp : first.version == 4 ? virtioGsoTcp4 : virtioGsoTcp6;
  header.headerLength = static_cast<uint16_t>(group.flow.headers);
  header.gsoSize = static_cast<uint16_t>(group.flow.payload);
  header.checksumStart = first.headerLength;
  header.checksumOffset = tcp ? 16 : 6;
  uint8_t* upper = headers + first.headerLength;
  if (tcp) {
    if (group.push) upper[13] |= tcpPsh;
  } else {
    store16(upper + 4, static_cast<uint16_t>(upperLength));
  }
  store16(upper + header.checksumOffset,
          checksumFold(
              checksumPseudo(first.source(), first.destination(), first.addressLength(), first.protocol, upperLength)));
  group.vectors[0] = {&header, sizeof header};
  group.vectors[1] = {headers, group.flow.headers};
  sink_.write(group.vectors.data(), 2U + group.pieces);
}

}  // namespace gatehouse::pipeline
