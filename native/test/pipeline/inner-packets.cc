// What happens to inner packets on their way: parsing, MSS, "too big", fragments.
#include "pipeline/fragment.h"
#include "pipeline/mss.h"
#include "pipeline/too-big.h"
#include "test/pipeline/packets.h"

namespace gatehouse::test {
namespace {

using namespace pipeline;

TEST("ip: link padding behind the packet is cut off") {
  for (const int version : {4, 6}) {
    Octets packet = udpPacket(version, sequenceOf(10));
    const size_t length = packet.size();
    packet.resize(length + 30, 0xEE);
    CHECK_EQUAL(parsed(packet).length, length);
  }
}

TEST("ip: what is shorter than it says is refused") {
  for (const int version : {4, 6}) {
    const Octets packet = udpPacket(version, sequenceOf(10));
    IpPacket ip;
    for (size_t length = 0; length < packet.size(); length++) CHECK(!parseIp(packet.data(), length, ip));
  }
}

TEST("ip: IPv6 extension headers are walked to the upper layer") {
  Octets upper = udpPacket(6, sequenceOf(4));
  upper.erase(upper.begin(), upper.begin() + 40);
  Octets chained = fromHex("3c00050200000000 1100010400000000");
  chained.insert(chained.end(), upper.begin(), upper.end());
  Octets packet = ipPacket(6, 0, chained, 22);
  const IpPacket ip = parsed(packet);
  CHECK_EQUAL(ip.protocol, protocolUdp);
  CHECK_EQUAL(ip.headerLength, 56);
}

TEST("mss: a SYN that asks for more gets what fits, whatever stands before the option, and its checksum stays right") {
  for (const int version : {4, 6}) {
    for (const char* options :
         {"020405b4", "0101020405b40000", "01020405b4000000", "0402080a0000000000000000020405b4"}) {
      for (const int flags : {0x02, 0x12}) {
        Octets packet = tcpPacket(
            {.version = version, .flags = static_cast<uint8_t>(flags), .options = fromHex(options), .payload = {}});
        CHECK(clampMss(parsed(packet), 1300, false));
        CHECK(checksumsRight(packet));
        const std::string text = toHex(packet);
        CHECK(text.find(version == 4 ? "020404ec" : "020404d8") != std::string::npos);
        CHECK(!clampMss(parsed(packet), 1300, false));
      }
    }
  }
}

TEST("mss: what isn't a SYN, asks for less or has no option stays as it is") {
  for (const TcpSpec& spec : {TcpSpec{.flags = 0x10, .options = fromHex("020405b4"), .payload = {}},
                              TcpSpec{.flags = 0x02, .options = fromHex("02040200"), .payload = {}},
                              TcpSpec{.flags = 0x02, .options = fromHex("01010000"), .payload = {}},
                              TcpSpec{.flags = 0x02, .options = {}, .payload = {}},
                              TcpSpec{.flags = 0x02, .options = fromHex("01020101"), .payload = {}},
                              TcpSpec{.flags = 0x02, .options = fromHex("02ff05b4"), .payload = {}}}) {
    Octets packet = tcpPacket(spec);
    const Octets same = tcpPacket(spec);
    CHECK(!clampMss(parsed(packet), 1300, false));
    CHECK_EQUAL(packet, same);
  }
}

TEST("mss: an unfinished checksum is left to whoever finishes it") {
  Octets packet = tcpPacket({.flags = 0x02, .options = fromHex("020405b4"), .payload = {}});
  const uint16_t before = load16(&packet[36]);
  CHECK(clampMss(parsed(packet), 1300, true));
  CHECK_EQUAL(load16(&packet[36]), before);
}

TEST("too big: IPv4 gets fragmentation needed with the MTU, from where it was going to") {
  const Octets packet = udpPacket(4, sequenceOf(1400));
  Octets answer(tooBigRoom);
  answer.resize(writeTooBig(answer.data(), parsed(packet), 1300));
  CHECK(!answer.empty());
  const IpPacket ip = parsed(answer);
  CHECK_EQUAL(toHex(ip.source(), 8), std::string("0a0000010a000002"));
  CHECK_EQUAL(toHex(ip.upper(), 2), std::string("0304"));
  CHECK_EQUAL(load16(ip.upper() + 6), 1300);
  CHECK(std::memcmp(ip.upper() + 8, packet.data(), 540) == 0);
  CHECK_EQUAL(checksumFold(checksumSum(ip.upper(), ip.upperLength())), 0xFFFF);
  CHECK_EQUAL(answer.size(), size_t{576});
}

TEST("too big: IPv6 gets packet too big, never with less than 1,280") {
  const Octets packet = udpPacket(6, sequenceOf(1400));
  for (const uint32_t mtu : {1380U, 500U}) {
    Octets answer(tooBigRoom);
    answer.resize(writeTooBig(answer.data(), parsed(packet), mtu));
    const IpPacket ip = parsed(answer);
    CHECK_EQUAL(ip.upper()[0], 2);
    CHECK_EQUAL(load32(ip.upper() + 4), std::max(mtu, 1280U));
    CHECK(checksumsRight(answer));
    CHECK_EQUAL(answer.size(), size_t{1280});
  }
}

TEST("too big: no answer to ICMP errors, later fragments and multicast; to an echo request there is one") {
  uint8_t answer[tooBigRoom];
  Octets unreachable = ipPacket(4, protocolIcmp, fromHex("0301000000000000"), 2);
  CHECK_EQUAL(writeTooBig(answer, parsed(unreachable), 1300), size_t{0});
  Octets echo = ipPacket(4, protocolIcmp, fromHex("0800000000000000"), 2);
  CHECK(writeTooBig(answer, parsed(echo), 1300) != 0);
  Octets fragment = udpPacket(4, sequenceOf(100));
  store16(&fragment[6], 0x0010);
  CHECK_EQUAL(writeTooBig(answer, parsed(fragment), 1300), size_t{0});
  Octets multicast = udpPacket(4, sequenceOf(100));
  multicast[16] = 0xE0;
  CHECK_EQUAL(writeTooBig(answer, parsed(multicast), 1300), size_t{0});
  Octets error6 = ipPacket(6, protocolIcmp6, fromHex("0100000000000000"), 2);
  CHECK_EQUAL(writeTooBig(answer, parsed(error6), 1300), size_t{0});
}

Octets reassembled(const std::vector<Octets>& fragments) {
  Octets whole(fragments[0].begin(), fragments[0].begin() + std::ptrdiff_t{4} * (fragments[0][0] & 15));
  const size_t header = whole.size();
  for (const Octets& fragment : fragments) {
    const size_t at = header + size_t{8} * (load16(&fragment[6]) & 0x1FFFU);
    whole.resize(std::max(whole.size(), at + fragment.size() - header));
    std::memcpy(&whole[at], &fragment[header], fragment.size() - header);
  }
  return whole;
}

TEST("fragment: pieces fit, are whole eights, say where they belong, and make the packet again") {
  for (const uint32_t mtu : {68U, 576U, 1300U, 1399U}) {
    const Octets packet = udpPacket(4, sequenceOf(3000), 53, false);
    Fragmenter fragmenter(parsed(packet), mtu);
    std::vector<Octets> fragments;
    for (Octets one(2048);; one.resize(2048)) {
      const size_t length = fragmenter.next(one.data());
      if (length == 0) break;
      one.resize(length);
      CHECK(length <= mtu);
      CHECK(checksumsRight(one));
      CHECK_EQUAL(load16(&one[4]), 1);
      fragments.push_back(one);
    }
    for (size_t i = 0; i < fragments.size(); i++) {
      CHECK_EQUAL((load16(&fragments[i][6]) & 0x2000) != 0, i + 1 < fragments.size());
      if (i + 1 < fragments.size()) CHECK_EQUAL((fragments[i].size() - 20) % 8, size_t{0});
    }
    const Octets whole = reassembled(fragments);
    CHECK_EQUAL(Octets(whole.begin() + 20, whole.end()), Octets(packet.begin() + 20, packet.end()));
  }
}

TEST("fragment: a fragment is cut again, and only its last piece is as last as it was") {
  Octets packet = udpPacket(4, sequenceOf(1000), 53, false);
  store16(&packet[6], 0x2000 | 100);
  Fragmenter fragmenter(parsed(packet), 576);
  Octets one(2048);
  size_t count = 0;
  uint32_t at = 100;
  for (size_t length = fragmenter.next(one.data()); length != 0; length = fragmenter.next(one.data())) {
    CHECK_EQUAL(load16(&one[6]), static_cast<uint16_t>(0x2000 | at));
    at += static_cast<uint32_t>(length - 20) / 8;
    count += 1;
  }
  CHECK_EQUAL(count, size_t{2});
}

TEST("fragment: options that aren't copied are blanked behind the first") {
  Octets packet = udpPacket(4, sequenceOf(1000), 53, false);
  const Octets options = fromHex("07040400 9404000000000000");
  packet.insert(packet.begin() + 20, options.begin(), options.end());
  packet[0] = 0x48;
  store16(&packet[2], static_cast<uint16_t>(packet.size()));
  Fragmenter fragmenter(parsed(packet), 576);
  Octets one(2048);
  fragmenter.next(one.data());
  CHECK_EQUAL(toHex(&one[20], 8), std::string("0704040094040000"));
  fragmenter.next(one.data());
  CHECK_EQUAL(toHex(&one[20], 8), std::string("0101010194040000"));
}

}  // namespace
}  // namespace gatehouse::test
