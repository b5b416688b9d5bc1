// Inner packets as the tests of the pipeline need them, with every length and checksum right.
#pragma once

#include <unistd.h>

#include <cstring>

#include "pipeline/checksum.h"
#include "pipeline/ip-packet.h"
#include "pipeline/octets.h"
#include "test/test.h"

namespace gatehouse::test {

struct TcpSpec {
  int version = 4;
  uint32_t sequence = 1000;
  uint32_t acknowledgement = 7;
  uint8_t flags = 0x10;
  uint16_t window = 500;
  uint16_t sourcePort = 40000;
  Octets options = {};
  Octets payload = {};
  uint16_t id = 1;
  bool dontFragment = true;
};

/// An address of this process: raw sockets on the same one would hear other tests that run at the same time.
inline uint32_t loopback(uint8_t host) { return 0x7F000000U | (static_cast<uint32_t>(getpid()) & 0xFFFFU) << 8 | host; }

inline Octets loopbackOctets(uint8_t host) {
  Octets octets(4);
  pipeline::store32(octets.data(), loopback(host));
  return octets;
}

inline Octets sequenceOf(size_t length, uint8_t first = 0) {
  Octets octets(length);
  for (size_t i = 0; i < length; i++) octets[i] = static_cast<uint8_t>(first + i * 7);
  return octets;
}

/// An IP header of either family in front of `upper`, from 10.0.0.2 or fd00::2 to 10.0.0.1 or fd00::1; the upper layer's checksum is put at `checksumAt`.
inline Octets ipPacket(int version, uint8_t protocol, Octets upper, size_t checksumAt, uint16_t id = 1,
                       bool dontFragment = true) {
  using namespace pipeline;
  const size_t header = version == 4 ? 20 : 40;
  Octets packet(header + upper.size());
  uint8_t* ip = packet.data();
  if (version == 4) {
    ip[0] = 0x45;
    store16(ip + 2, static_cast<uint16_t>(packet.size()));
    store16(ip + 4, id);
    store16(ip + 6, dontFragment ? 0x4000 : 0);
    ip[8] = 64;
    ip[9] = protocol;
    store32(ip + 12, 0x0A000002);
    store32(ip + 16, 0x0A000001);
    store16(ip + 10, checksumField(checksumSum(ip, 20)));
  } else {
    ip[0] = 0x60;
    store16(ip + 4, static_cast<uint16_t>(upper.size()));
    ip[6] = protocol;
    ip[7] = 64;
    ip[8] = ip[24] = 0xFD;
    ip[23] = 2;
    ip[39] = 1;
  }
  std::memcpy(ip + header, upper.data(), upper.size());
  const size_t addresses = version == 4 ? 4 : 16;
  const uint8_t* source = ip + (version == 4 ? 12 : 8);
  uint8_t* field = ip + header + checksumAt;
  store16(field, 0);
  const uint64_t sum = static_cast<uint64_t>(checksumPseudo(source, source + addresses, addresses, protocol,
                                                            static_cast<uint32_t>(upper.size()))) +
                       checksumSum(ip + header, upper.size());
  store16(field, protocol == protocolUdp ? checksumFieldUdp(sum) : checksumField(sum));
  return packet;
}

inline Octets tcpPacket(const TcpSpec& spec) {
  using namespace pipeline;
  Octets tcp(20 + spec.options.size());
  store16(tcp.data(), spec.sourcePort);
  store16(tcp.data() + 2, 80);
  store32(tcp.data() + 4, spec.sequence);
  store32(tcp.data() + 8, spec.acknowledgement);
  tcp[12] = static_cast<uint8_t>(tcp.size() / 4 << 4);
  tcp[13] = spec.flags;
  store16(tcp.data() + 14, spec.window);
  if (!spec.options.empty()) std::memcpy(tcp.data() + 20, spec.options.data(), spec.options.size());
  tcp.insert(tcp.end(), spec.payload.begin(), spec.payload.end());
  return ipPacket(spec.version, protocolTcp, tcp, 16, spec.id, spec.dontFragment);
}

inline Octets udpPacket(int version, const Octets& payload, uint16_t destinationPort = 53, bool dontFragment = true) {
  using namespace pipeline;
  Octets udp(8);
  store16(udp.data(), 40000);
  store16(udp.data() + 2, destinationPort);
  store16(udp.data() + 4, static_cast<uint16_t>(8 + payload.size()));
  udp.insert(udp.end(), payload.begin(), payload.end());
  return ipPacket(version, protocolUdp, udp, 6, 1, dontFragment);
}

inline pipeline::IpPacket parsed(const Octets& packet) {
  pipeline::IpPacket ip;
  CHECK(pipeline::parseIp(packet.data(), packet.size(), ip));
  return ip;
}

/// Every checksum that the packet has, as a receiver verifies it.
inline bool checksumsRight(const Octets& packet) {
  using namespace pipeline;
  const IpPacket ip = parsed(packet);
  if (ip.version == 4 && checksumFold(checksumSum(packet.data(), ip.headerLength)) != 0xFFFF) return false;
  if (ip.fragment) return true;
  return checksumFold(static_cast<uint64_t>(checksumPseudo(ip.source(), ip.destination(), ip.addressLength(),
                                                           ip.protocol, ip.upperLength())) +
                      checksumSum(ip.upper(), ip.upperLength())) == 0xFFFF;
}

}  // namespace gatehouse::test
