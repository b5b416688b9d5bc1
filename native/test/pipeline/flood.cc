// What the generator of `bench packets` sends is what a data plane takes: it opens, and inside is the packet that was asked for.
#include "bench/flood.h"

#include <unistd.h>

#include <stdexcept>

#include "crypto/engine.h"
#include "esp/worker.h"
#include "pipeline/l2tp.h"
#include "pipeline/octets.h"
#include "pipeline/ppp.h"
#include "test/test.h"

namespace gatehouse::test {
namespace {

using namespace gatehouse::pipeline;

Address loopback(uint8_t host) {
  const auto process = static_cast<uint32_t>(getpid());
  const uint8_t octets[4] = {127, static_cast<uint8_t>(process >> 8), static_cast<uint8_t>(process), host};
  return Address::from(octets, 4);
}

bench::FloodOptions options(uint16_t port) {
  const uint8_t source[4] = {10, 0, 0, 2};
  const uint8_t destination[4] = {10, 0, 0, 1};
  bench::FloodOptions flood;
  flood.path = {{loopback(2), 0}, {loopback(1), port}};
  flood.spi = 4096;
  flood.sent = 100;
  flood.algorithm = "aes128-sha1";
  flood.cipherKey.assign(16, 1);
  flood.integrityKey.assign(20, 2);
  flood.tunnel = 3;
  flood.session = 4;
  flood.source = Address::from(source, 4);
  flood.destination = Address::from(destination, 4);
  flood.flows = 2;
  flood.together = 3;
  flood.milliseconds = 1;
  return flood;
}

TEST("flood: sealed packets open, count on from the number that was given, and take turns of flows") {
  const os::Socket socket = os::Socket::udp({loopback(1), AF_INET, 0, false, false});
  bench::FloodOptions flood = options(socket.port());
  flood.sealed = true;
  CHECK(bench::flood(flood).packets > 0);
  const auto engine = crypto::makeEngine();
  const auto transform = crypto::transformFromNames("aes128", "sha1", false);
  esp::EpochDomain domain;
  esp::SaTable table(domain);
  auto sa = std::make_unique<esp::InboundSa>(
      4096, engine->expand(*transform, crypto::Direction::open, flood.cipherKey, flood.integrityKey));
  const esp::InboundSa& inbound = *sa;
  CHECK(table.add(sa));
  esp::Worker worker(*engine);
  esp::EpochDomain::Reader reader(domain);
  os::ReceiveBatch batch;
  CHECK(batch.receive(socket) >= 3);
  for (unsigned i = 0; i < 3; i++) {
    esp::InboundPacket packet;
    packet.esp = batch[i].data;
    packet.length = batch[i].length;
    const esp::EpochDomain::Guard inside(reader);
    worker.open(table, {&packet, 1});
    CHECK(packet.result == esp::OpenResult::ok);
    L2tpHeader l2tp;
    CHECK(parseL2tp(packet.payload + 8, packet.payloadLength - 8, l2tp));
    CHECK_EQUAL(l2tp.tunnel, 3);
    CHECK_EQUAL(l2tp.session, 4);
    const uint8_t* frame = packet.payload + 8 + l2tp.headerLength;
    PppFrame ppp;
    CHECK(parsePpp(frame, packet.payloadLength - 8U - l2tp.headerLength, ppp));
    CHECK_EQUAL(ppp.protocol, pppIpv4);
    const uint8_t* ip = frame + ppp.headerLength;
    CHECK_EQUAL(load16(ip + 2), 64);
    CHECK_EQUAL(load16(ip + 20), 10000 + i % 2);
  }
  CHECK_EQUAL(inbound.window().top(), 103U);
}

TEST("flood: plain datagrams of the size that was asked for") {
  const os::Socket socket = os::Socket::udp({loopback(1), AF_INET, 0, false, false});
  for (const uint32_t together : {1U, 64U}) {
    bench::FloodOptions flood = options(socket.port());
    flood.octets = 100;
    flood.together = together;
    CHECK(bench::flood(flood).packets > 0);
    os::ReceiveBatch batch;
    CHECK(batch.receive(socket) > 0);
    CHECK_EQUAL(batch[0].length, 72U);
  }
}

TEST("flood: refuses what no packet is") {
  const auto refuses = [](auto change) {
    bench::FloodOptions flood = options(9);
    flood.sealed = true;
    change(flood);
    CHECK_THROWS(bench::flood(flood), std::invalid_argument);
  };
  refuses([](auto& flood) { flood.octets = 27; });
  refuses([](auto& flood) { flood.flows = 0; });
  refuses([](auto& flood) { flood.together = 65; });
  refuses([](auto& flood) { flood.algorithm = "rot13"; });
  refuses([](auto& flood) { flood.cipherKey.clear(); });
}

}  // namespace
}  // namespace gatehouse::test
