// L2TP and PPP headers in every combination, and the checksum against its plainest form.
#include "pipeline/checksum.h"
#include "pipeline/l2tp.h"
#include "pipeline/ppp.h"
#include "test/pipeline/packets.h"

namespace gatehouse::test {
namespace {

using namespace pipeline;

/// A message with these flags, as RFC 2661 §3.1 draws it, with five octets of payload.
Octets message(uint16_t flags, uint16_t pad) {
  Octets octets(2);
  store16(octets.data(), static_cast<uint16_t>(flags | 2));
  const auto put = [&](uint16_t value) {
    octets.push_back(static_cast<uint8_t>(value >> 8));
    octets.push_back(static_cast<uint8_t>(value));
  };
  if ((flags & 0x4000) != 0) put(0);
  put(0x1234);
  put(0x5678);
  if ((flags & 0x0800) != 0) {
    put(0x00AA);
    put(0x00BB);
  }
  if ((flags & 0x0200) != 0) {
    put(pad);
    octets.resize(octets.size() + pad);
  }
  octets.insert(octets.end(), {1, 2, 3, 4, 5});
  if ((flags & 0x4000) != 0) store16(octets.data() + 2, static_cast<uint16_t>(octets.size()));
  return octets;
}

TEST("l2tp: every combination of T, L, S, O and P is understood") {
  for (uint32_t bits = 0; bits < 32; bits++) {
    const uint16_t flags =
        static_cast<uint16_t>((bits & 1 ? 0x8000 : 0) | (bits & 2 ? 0x4000 : 0) | (bits & 4 ? 0x0800 : 0) |
                              (bits & 8 ? 0x0200 : 0) | (bits & 16 ? 0x0100 : 0));
    for (const uint16_t pad : std::initializer_list<uint16_t>{0, 1, 7}) {
      const Octets octets = message(flags, pad);
      L2tpHeader header;
      CHECK(parseL2tp(octets.data(), octets.size(), header));
      CHECK_EQUAL(header.control, (flags & 0x8000) != 0);
      CHECK_EQUAL(header.tunnel, 0x1234);
      CHECK_EQUAL(header.session, 0x5678);
      CHECK_EQUAL(header.sequenced, (flags & 0x0800) != 0);
      CHECK_EQUAL(header.ns, (flags & 0x0800) != 0 ? 0x00AA : 0);
      CHECK_EQUAL(Octets(octets.begin() + header.headerLength, octets.begin() + header.length),
                  Octets({1, 2, 3, 4, 5}));
    }
  }
}

TEST("l2tp: whatever is cut off short is refused") {
  for (const int flags : {0x0000, 0x4000, 0x4800, 0xC800, 0x4A00, 0x0200}) {
    const Octets octets = message(static_cast<uint16_t>(flags), 3);
    L2tpHeader header;
    for (size_t length = 0; length < octets.size() - 5; length++) CHECK(!parseL2tp(octets.data(), length, header));
  }
}

TEST("l2tp: another version, and a length beyond the datagram, are refused") {
  Octets octets = message(0x4000, 0);
  L2tpHeader header;
  store16(octets.data() + 2, static_cast<uint16_t>(octets.size() + 1));
  CHECK(!parseL2tp(octets.data(), octets.size(), header));
  for (uint8_t version = 0; version < 16; version++) {
    octets = message(0, 0);
    octets[1] = version;
    CHECK_EQUAL(parseL2tp(octets.data(), octets.size(), header), version == 2);
  }
}

TEST("l2tp: reserved bits are passed over (RFC 2661 §3.1)") {
  Octets octets = message(0, 0);
  octets[0] |= 0x34;
  octets[1] |= 0xF0;
  L2tpHeader header;
  CHECK(parseL2tp(octets.data(), octets.size(), header));
  CHECK_EQUAL(header.tunnel, 0x1234);
  CHECK_EQUAL(size_t{header.headerLength}, size_t{6});
}

TEST("l2tp: a length shorter than the datagram cuts padding off") {
  Octets octets = message(0x4000, 0);
  octets.insert(octets.end(), {9, 9, 9});
  L2tpHeader header;
  CHECK(parseL2tp(octets.data(), octets.size(), header));
  CHECK_EQUAL(header.length, octets.size() - 3);
}

TEST("l2tp: our data header has no flag but S") {
  uint8_t octets[10];
  CHECK_EQUAL(writeL2tpDataHeader(octets, 0x1234, 0x5678, false, 0), size_t{6});
  CHECK_EQUAL(toHex(octets, 6), std::string("000212345678"));
  CHECK_EQUAL(writeL2tpDataHeader(octets, 0x1234, 0x5678, true, 9), size_t{10});
  CHECK_EQUAL(toHex(octets, 10), std::string("08021234567800090000"));
}

TEST("ppp: FF 03 and one or two octets of protocol, in all four forms") {
  for (const char* form : {"ff030021aa", "0021aa", "ff0321aa", "21aa"}) {
    const Octets octets = fromHex(form);
    PppFrame frame;
    CHECK(parsePpp(octets.data(), octets.size(), frame));
    CHECK_EQUAL(frame.protocol, pppIpv4);
    CHECK_EQUAL(frame.headerLength, octets.size() - 1);
  }
}

TEST("ppp: no whole protocol field is no frame") {
  for (const char* form : {"", "ff03", "00", "ff03c0", "c0"}) {
    const Octets octets = fromHex(form);
    PppFrame frame;
    CHECK(!parsePpp(octets.data(), octets.size(), frame));
  }
}

TEST("ppp: LCP is never compressed (RFC 1661 §6.5, §6.6)") {
  uint8_t octets[4];
  CHECK_EQUAL(toHex(octets, writePppHeader(octets, pppLcp, true, true)), std::string("ff03c021"));
  CHECK_EQUAL(toHex(octets, writePppHeader(octets, pppIpv4, true, true)), std::string("21"));
  CHECK_EQUAL(toHex(octets, writePppHeader(octets, pppIpv4, true, false)), std::string("0021"));
  CHECK_EQUAL(toHex(octets, writePppHeader(octets, pppIpv4, false, true)), std::string("ff0321"));
  CHECK_EQUAL(toHex(octets, writePppHeader(octets, 0x8021, true, true)), std::string("8021"));
  CHECK_EQUAL(toHex(octets, writePppHeader(octets, pppIpv6, false, false)), std::string("ff030057"));
}

uint16_t plainSum(const uint8_t* from, size_t length) {
  uint64_t sum = 0;
  for (size_t i = 0; i < length; i++) sum += i % 2 == 0 ? static_cast<uint64_t>(from[i]) << 8 : from[i];
  return checksumFold(sum);
}

TEST("checksum: the example of RFC 1071 §3") {
  const Octets octets = fromHex("0001f203f4f5f6f7");
  CHECK_EQUAL(checksumFold(checksumSum(octets.data(), octets.size())), 0xDDF2);
}

TEST("checksum: every length and alignment gives what the plain loop gives, copied or not") {
  const Octets octets = sequenceOf(1600, 3);
  Octets copy(1600);
  for (size_t at = 0; at < 9; at++) {
    for (size_t length = 0; length < 200; length++) {
      CHECK_EQUAL(checksumFold(checksumSum(&octets[at], length)), plainSum(&octets[at], length));
      CHECK_EQUAL(checksumFold(checksumCopy(copy.data(), &octets[at], length)), plainSum(&octets[at], length));
      CHECK(std::memcmp(copy.data(), &octets[at], length) == 0);
    }
  }
  CHECK_EQUAL(checksumFold(checksumSum(octets.data(), 1500)), plainSum(octets.data(), 1500));
}

TEST("checksum: replacing a word gives what summing again gives (RFC 1624)") {
  Octets octets = sequenceOf(40, 9);
  for (uint32_t value = 0; value < 0x10000; value += 257) {
    store16(&octets[0], 0);
    store16(&octets[10], 0x1234);
    store16(&octets[0], checksumField(checksumSum(octets.data(), octets.size())));
    const uint16_t updated = checksumReplace(load16(&octets[0]), 0x1234, static_cast<uint16_t>(value));
    store16(&octets[10], static_cast<uint16_t>(value));
    store16(&octets[0], updated);
    CHECK_EQUAL(checksumFold(checksumSum(octets.data(), octets.size())), 0xFFFF);
  }
}

}  // namespace
}  // namespace gatehouse::test
