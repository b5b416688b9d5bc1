#include "pipeline/too-big.h"

#include <algorithm>
#include <cstring>

#include "pipeline/checksum.h"
#include "pipeline/octets.h"

namespace gatehouse::pipeline {
namespace {

constexpr uint8_t hopLimit = 64;
constexpr uint32_t leastIpv6Mtu = 1280;

bool mayAnswer4(const IpPacket& packet) {
  const uint8_t* destination = packet.destination();
  const uint8_t* source = packet.source();
  if (packet.laterFragment || (destination[0] & 0xF0) == 0xE0 || destination[0] == 0xFF || load32(source) == 0 ||
      (source[0] & 0xF0) == 0xE0)
    return false;
  if (packet.protocol != protocolIcmp) return true;
  // Echo, timestamp, information and mask are queries; the rest are errors.
  if (packet.upperLength() < 1) return false;
  const uint8_t type = packet.upper()[0];
  return type == 0 || type == 8 || (type >= 13 && type <= 18);
}

size_t write4(uint8_t* to, const IpPacket& packet, uint32_t mtu) {
  // RFC 1812 §4.3.2.3: as much of the packet as fits 576 octets.
  const size_t quoted = std::min<size_t>(packet.length, 576 - 28);
  const size_t total = 28 + quoted;
  std::memset(to, 0, 28);
  to[0] = 0x45;
  store16(to + 2, static_cast<uint16_t>(total));
  to[8] = hopLimit;
  to[9] = protocolIcmp;
  std::memcpy(to + 12, packet.destination(), 4);
  std::memcpy(to + 16, packet.source(), 4);
  store16(to + 10, checksumField(checksumSum(to, 20)));
  to[20] = 3;  // destination unreachable
  to[21] = 4;  // fragmentation needed
  store16(to + 26, static_cast<uint16_t>(mtu));
  std::memcpy(to + 28, packet.data, quoted);
  store16(to + 22, checksumField(checksumSum(to + 20, 8 + quoted)));
  return total;
}

size_t write6(uint8_t* to, const IpPacket& packet, uint32_t mtu) {
  const size_t quoted = std::min<size_t>(packet.length, tooBigRoom - 48);
  const auto upper = static_cast<uint32_t>(8 + quoted);
  std::memset(to, 0, 48);
  to[0] = 0x60;
  store16(to + 4, static_cast<uint16_t>(upper));
  to[6] = protocolIcmp6;
  to[7] = hopLimit;
  std::memcpy(to + 8, packet.destination(), 16);
  std::memcpy(to + 24, packet.source(), 16);
  to[40] = 2;  // packet too big
  store32(to + 44, std::max(mtu, leastIpv6Mtu));
  std::memcpy(to + 48, packet.data, quoted);
  store16(to + 42,
          checksumField(checksumPseudo(to + 8, to + 24, 16, protocolIcmp6, upper) + checksumSum(to + 40, upper)));
  return 48 + quoted;
}

}  // namespace

size_t writeTooBig(uint8_t* to, const IpPacket& packet, uint32_t mtu) {
  if (packet.version == 4) return mayAnswer4(packet) ? write4(to, packet, mtu) : 0;
  // Packet too big may answer multicast (RFC 4443 §2.4 (e.3)), but our source would then be a multicast address.
  if (packet.laterFragment || packet.destination()[0] == 0xFF || packet.source()[0] == 0xFF) return 0;
  if (packet.protocol == protocolIcmp6 && packet.upperLength() >= 1 && packet.upper()[0] < 128) return 0;
  return write6(to, packet, mtu);
}

}  // namespace gatehouse::pipeline
