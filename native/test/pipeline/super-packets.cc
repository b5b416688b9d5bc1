// Cutting what comes out of the TUN and putting together what goes in: each is checked against the other, as the kernel would do it.
#include <random>

#include "pipeline/coalesce.h"
#include "pipeline/segment.h"
#include "test/pipeline/packets.h"

namespace gatehouse::test {
namespace {

using namespace pipeline;

/// A super-packet as a kernel hands it out: whole, with the pseudo-header's sum in the checksum field.
struct Super {
  VirtioHeader header;
  Octets packet;
};

Super superOf(Octets packet, uint16_t size) {
  const IpPacket ip = parsed(packet);
  const bool tcp = ip.protocol == protocolTcp;
  Super super;
  super.header.flags = virtioNeedsChecksum;
  super.header.gsoType = !tcp ? virtioGsoUdp : ip.version == 4 ? virtioGsoTcp4 : virtioGsoTcp6;
  super.header.gsoSize = size;
  super.header.checksumStart = ip.headerLength;
  super.header.checksumOffset = tcp ? 16 : 6;
  store16(
      &packet[static_cast<size_t>(ip.headerLength) + super.header.checksumOffset],
      checksumFold(checksumPseudo(ip.source(), ip.destination(), ip.addressLength(), ip.protocol, ip.upperLength())));
  super.packet = std::move(packet);
  return super;
}

std::vector<Octets> cut(Super& super) {
  Segments segments;
  CHECK(segments.parse(super.header, super.packet.data(), super.packet.size()));
  std::vector<Octets> all;
  for (uint32_t i = 0; i < segments.count(); i++) {
    Octets one(segments.length(i));
    CHECK_EQUAL(segments.write(one.data(), i), one.size());
    all.push_back(one);
  }
  return all;
}

class Collected : public PacketSink {
 public:
  void write(const iovec* pieces, size_t count) override {
    Super super;
    CHECK_EQUAL(pieces[0].iov_len, sizeof super.header);
    std::memcpy(&super.header, pieces[0].iov_base, sizeof super.header);
    for (size_t i = 1; i < count; i++) {
      const auto* from = static_cast<const uint8_t*>(pieces[i].iov_base);
      super.packet.insert(super.packet.end(), from, from + pieces[i].iov_len);
    }
    packets.push_back(super);
  }
  std::vector<Super> packets;
};

std::vector<Super> coalesced(const std::vector<Octets>& packets) {
  Collected sink;
  Coalescer coalescer(sink, true, true);
  for (const Octets& packet : packets) coalescer.add(parsed(packet));
  coalescer.flush();
  return sink.packets;
}

TEST("segment: TCP is cut with right numbers, flags and checksums") {
  for (const int version : {4, 6}) {
    Super super = superOf(tcpPacket({.version = version,
                                     .sequence = 0xFFFFFF00,
                                     .flags = 0x99,
                                     .options = fromHex("0101080a0000000100000002"),
                                     .payload = sequenceOf(3001),
                                     .id = 0xFFFF}),
                          1000);
    const std::vector<Octets> all = cut(super);
    CHECK_EQUAL(all.size(), size_t{4});
    for (size_t i = 0; i < all.size(); i++) {
      const IpPacket ip = parsed(all[i]);
      CHECK(checksumsRight(all[i]));
      CHECK_EQUAL(load32(ip.upper() + 4), 0xFFFFFF00 + static_cast<uint32_t>(i) * 1000);
      // FIN and PSH only in the last, CWR only in the first; ACK in all.
      CHECK_EQUAL(ip.upper()[13], static_cast<uint8_t>(0x10 | (i == 0 ? 0x80 : 0) | (i == 3 ? 0x09 : 0)));
      if (version == 4) CHECK_EQUAL(load16(&all[i][4]), static_cast<uint16_t>(0xFFFF + i));
      CHECK_EQUAL(ip.upperLength() - 32, i == 3 ? 1U : 1000U);
    }
  }
}

TEST("segment: UDP datagrams get lengths and checksums of their own") {
  for (const int version : {4, 6}) {
    Super super = superOf(udpPacket(version, sequenceOf(2500)), 1200);
    const std::vector<Octets> all = cut(super);
    CHECK_EQUAL(all.size(), size_t{3});
    for (const Octets& one : all) {
      CHECK(checksumsRight(one));
      CHECK_EQUAL(load16(parsed(one).upper() + 4), parsed(one).upperLength());
    }
    CHECK_EQUAL(parsed(all[2]).upperLength(), 108U);
  }
}

TEST("segment: a single packet's unfinished checksum is finished") {
  for (const int version : {4, 6}) {
    const Octets whole = udpPacket(version, sequenceOf(77));
    Super super = superOf(whole, 0);
    super.header.gsoType = virtioGsoNone;
    CHECK_EQUAL(cut(super), std::vector<Octets>{whole});
  }
}

TEST("segment: headers that contradict the packet are refused") {
  const Super right = superOf(tcpPacket({.payload = sequenceOf(3000)}), 1000);
  const auto refused = [&](auto&& change) {
    Super wrong = right;
    change(wrong);
    Segments segments;
    CHECK(!segments.parse(wrong.header, wrong.packet.data(), wrong.packet.size()));
  };
  refused([](Super& s) { s.header.gsoSize = 0; });
  refused([](Super& s) { s.header.gsoType = virtioGsoTcp6; });
  refused([](Super& s) { s.header.gsoType = virtioGsoUdp; });
  refused([](Super& s) { s.header.gsoType = 9; });
  refused([](Super& s) { s.header.flags = 0; });
  refused([](Super& s) { s.header.checksumStart = 0; });
  refused([](Super& s) { s.header.checksumStart = 60000; });
  refused([](Super& s) { s.header.checksumOffset = 60000; });
  refused([](Super& s) {
    s.packet[32] = 0xF0;
    s.packet.resize(50);
    store16(&s.packet[2], 50);
  });
  refused([](Super& s) { s.packet[32] = 0x10; });
  refused([](Super& s) { s.packet.resize(100); });
  refused([](Super& s) { s.packet[6] = 0x20; });
}

TEST("coalesce: what was cut becomes the super-packet again") {
  for (const int version : {4, 6}) {
    for (const size_t length : {1001UL, 3000UL, 45678UL}) {
      Super super = superOf(tcpPacket({.version = version, .flags = 0x18, .payload = sequenceOf(length)}), 1000);
      const std::vector<Super> again = coalesced(cut(super));
      CHECK_EQUAL(again.size(), size_t{1});
      CHECK_EQUAL(again[0].packet, super.packet);
      CHECK_EQUAL(again[0].header.gsoSize, 1000);
      CHECK_EQUAL(again[0].header.gsoType, super.header.gsoType);
      CHECK_EQUAL(again[0].header.flags, virtioNeedsChecksum);
      CHECK_EQUAL(again[0].header.checksumStart, super.header.checksumStart);
    }
    Super datagrams = superOf(udpPacket(version, sequenceOf(5000)), 999);
    const std::vector<Super> again = coalesced(cut(datagrams));
    CHECK_EQUAL(again.size(), size_t{1});
    CHECK_EQUAL(again[0].packet, datagrams.packet);
  }
}

TEST("coalesce: a lone packet passes untouched, and without offload everything does") {
  const Octets packet = tcpPacket({.payload = sequenceOf(500)});
  CHECK_EQUAL(coalesced({packet})[0].packet, packet);
  CHECK_EQUAL(coalesced({packet})[0].header.gsoType, virtioGsoNone);
  Collected sink;
  Coalescer plain(sink, false, false);
  Super super = superOf(tcpPacket({.payload = sequenceOf(5000)}), 1000);
  const std::vector<Octets> all = cut(super);
  for (const Octets& one : all) plain.add(parsed(one));
  CHECK_EQUAL(sink.packets.size(), all.size());
}

TEST("coalesce: a gap, another acknowledgement, window, option, flag, TTL or a wrong checksum stays apart, in order") {
  const TcpSpec first{.options = fromHex("0101080a0000000100000002"), .payload = sequenceOf(1000)};
  const auto next = [&](auto&& change) {
    TcpSpec spec = first;
    spec.sequence += 1000;
    change(spec);
    return tcpPacket(spec);
  };
  const std::vector<Octets> others = {
      next([](TcpSpec& s) { s.sequence += 1; }),
      next([](TcpSpec& s) { s.acknowledgement += 1; }),
      next([](TcpSpec& s) { s.window += 1; }),
      next([](TcpSpec& s) { s.options[11] = 9; }),
      next([](TcpSpec& s) { s.flags = 0x11; }),
      next([](TcpSpec& s) { s.flags = 0x30; }),
      next([](TcpSpec& s) { s.payload = sequenceOf(1001); }),
      next([](TcpSpec& s) { s.dontFragment = false; }),
      next([](TcpSpec& s) { s.payload.clear(); }),
  };
  for (const Octets& other : others) {
    const std::vector<Super> out = coalesced({tcpPacket(first), other});
    CHECK_EQUAL(out.size(), size_t{2});
    CHECK_EQUAL(out[0].packet, tcpPacket(first));
    CHECK_EQUAL(out[1].packet, other);
  }
  Octets spoilt = next([](TcpSpec&) {});
  spoilt.back() ^= 1;
  const std::vector<Super> out = coalesced({tcpPacket(first), spoilt});
  CHECK_EQUAL(out.size(), size_t{2});
  CHECK_EQUAL(out[1].packet, spoilt);
}

TEST("coalesce: PSH or a short segment ends a super-packet") {
  TcpSpec spec{.payload = sequenceOf(1000)};
  std::vector<Octets> all;
  for (int i = 0; i < 6; i++) {
    spec.flags = i == 2 ? 0x18 : 0x10;
    spec.payload = sequenceOf(i == 4 ? 10 : 1000);
    all.push_back(tcpPacket(spec));
    spec.sequence += static_cast<uint32_t>(spec.payload.size());
  }
  const std::vector<Super> out = coalesced(all);
  CHECK_EQUAL(out.size(), size_t{3});
  CHECK_EQUAL(out[0].packet.size(), size_t{3040});
  CHECK_EQUAL(out[0].packet[33], 0x18);
  CHECK_EQUAL(out[1].packet.size(), size_t{1050});
}

TEST("coalesce: many flows, random orders of arrival: each flow's octets come out in order") {
  std::mt19937 random(1);
  for (int round = 0; round < 50; round++) {
    std::vector<TcpSpec> flows(40);
    for (size_t i = 0; i < flows.size(); i++)
      flows[i] = {.version = i % 2 == 0 ? 4 : 6, .sourcePort = static_cast<uint16_t>(1000 + i), .payload = {}};
    std::vector<Octets> all;
    for (int i = 0; i < 200; i++) {
      TcpSpec& flow = flows[random() % flows.size()];
      flow.payload = sequenceOf(1 + random() % 3 * 400, static_cast<uint8_t>(i));
      all.push_back(tcpPacket(flow));
      flow.sequence += static_cast<uint32_t>(flow.payload.size());
    }
    std::vector<uint32_t> expected(flows.size(), 1000);
    for (Super& super : coalesced(all)) {
      for (const Octets& one :
           super.header.gsoType == virtioGsoNone ? std::vector<Octets>(1, super.packet) : cut(super)) {
        const IpPacket ip = parsed(one);
        CHECK(checksumsRight(one));
        uint32_t& sequence = expected[load16(ip.upper()) - 1000U];
        CHECK_EQUAL(load32(ip.upper() + 4), sequence);
        sequence += ip.upperLength() - 20;
      }
    }
    for (size_t i = 0; i < flows.size(); i++) CHECK_EQUAL(expected[i], flows[i].sequence);
  }
}

}  // namespace
}  // namespace gatehouse::test
