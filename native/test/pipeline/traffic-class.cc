// DSCP and ECN over a tunnel: the two tables of RFC 6040, and two planes with the test as the network between them.
#include "pipeline/traffic-class.h"

#include <array>

#include "test/pipeline/packets.h"

namespace gatehouse::test {
namespace {

using namespace pipeline;

TEST("traffic class: on entry the DSCP is copied and ECN is not (RFC 6040 §4.1, compatibility mode)") {
  for (uint8_t ecn = 0; ecn < 4; ecn++) CHECK_EQUAL(outerClass(static_cast<uint8_t>(0xB8 | ecn)), 0xB8);
}

TEST("traffic class: at exit, every pair of inner and outer ECN (RFC 6040 figure 4)") {
  constexpr std::optional<Ecn> drop;
  constexpr std::optional<Ecn> none = Ecn::notCapable;
  constexpr std::optional<Ecn> ect0 = Ecn::capable0;
  constexpr std::optional<Ecn> ect1 = Ecn::capable1;
  constexpr std::optional<Ecn> ce = Ecn::congested;
  struct Row {
    Ecn inner;
    // By the outer field's two bits: Not-ECT, ECT(1), ECT(0), CE.
    std::array<std::optional<Ecn>, 4> outer;
  };
  const Row rows[] = {{Ecn::notCapable, {none, none, none, drop}},
                      {Ecn::capable0, {ect0, ect1, ect0, ce}},
                      {Ecn::capable1, {ect1, ect1, ect1, ce}},
                      {Ecn::congested, {ce, ce, ce, ce}}};
  for (const Row& row : rows)
    for (uint8_t outer = 0; outer < 4; outer++) CHECK(ecnAtExit(row.inner, ecnOf(outer)) == row.outer[outer]);
}

TEST("traffic class: a mark keeps the DSCP, and the header's checksum right") {
  for (uint32_t before = 0; before < 256; before++) {
    Octets packet = udpPacket(4, sequenceOf(20));
    packet[1] = static_cast<uint8_t>(before);
    store16(packet.data() + 10, 0);
    store16(packet.data() + 10, checksumField(checksumSum(packet.data(), 20)));
    setEcn4(packet.data(), Ecn::congested);
    CHECK_EQUAL(packet[1], static_cast<uint8_t>(before | 3));
    CHECK(checksumsRight(packet));
  }
}

}  // namespace
}  // namespace gatehouse::test
