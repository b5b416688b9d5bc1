#include "bench/flood.h"

#include <algorithm>
#include <ctime>
#include <memory>
#include <stdexcept>

#include "crypto/engine.h"
#include "esp/worker.h"
#include "pipeline/checksum.h"
#include "pipeline/l2tp.h"
#include "pipeline/octets.h"
#include "pipeline/ppp.h"

namespace gatehouse::bench {
namespace {

using pipeline::store16;

constexpr uint32_t ipHeader = 20;
constexpr uint32_t udpHeader = 8;
constexpr uint16_t l2tpPort = 1701;
constexpr uint16_t firstPort = 10000;
constexpr uint32_t mostTogether = 64;
/// Packets in one system call.
constexpr uint32_t perCall = 256;

double secondsOf(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

/// One flow's packet, complete with checksums: a router's peers merge only what has one.
std::vector<uint8_t> innerPacket(const FloodOptions& options, uint32_t flow) {
  std::vector<uint8_t> packet(options.octets);
  packet[0] = 0x45;
  store16(&packet[2], static_cast<uint16_t>(options.octets));
  packet[8] = 64;
  packet[9] = 17;
  std::copy_n(options.source.octets.begin(), 4, &packet[12]);
  std::copy_n(options.destination.octets.begin(), 4, &packet[16]);
  store16(&packet[10], pipeline::checksumField(pipeline::checksumSum(packet.data(), ipHeader)));
  uint8_t* udp = &packet[ipHeader];
  const uint32_t length = options.octets - ipHeader;
  store16(udp, static_cast<uint16_t>(firstPort + flow));
  store16(udp + 2, 9);
  store16(udp + 4, static_cast<uint16_t>(length));
  const uint64_t sum =
      uint64_t{pipeline::checksumPseudo(&packet[12], &packet[16], 4, 17, length)} + pipeline::checksumSum(udp, length);
  store16(udp + 6, pipeline::checksumFieldUdp(sum));
  return packet;
}

/// Sends until the time is over; `fill` writes a datagram of `together` packets and says how long it is.
class Sender {
 public:
  explicit Sender(const FloodOptions& options) : options_(options) {
    if (options.octets < ipHeader + udpHeader || options.octets > 1400 || options.flows == 0 || options.together == 0 ||
        options.together > mostTogether)
      throw std::invalid_argument("packets have 28 to 1400 octets, and at most 64 go together");
    for (uint32_t i = 0; i < options.flows; i++) inner_.push_back(innerPacket(options, i));
  }

  Flooded run() { return options_.sealed ? runSealed() : runPlain(); }

 private:
  template <typename Fill>
  Flooded until(const os::Socket& socket, uint32_t segment, uint32_t room, Fill&& fill) {
    const uint32_t datagrams = perCall / options_.together;
    std::vector<std::vector<uint8_t>> memory(datagrams, std::vector<uint8_t>(room));
    std::vector<os::Outgoing> items(datagrams);
    Flooded result;
    const double wall = secondsOf(CLOCK_MONOTONIC);
    const double processor = secondsOf(CLOCK_THREAD_CPUTIME_ID);
    const double end = wall + options_.milliseconds / 1e3;
    double now = wall;
    for (; now < end; now = secondsOf(CLOCK_MONOTONIC)) {
      for (uint32_t i = 0; i < datagrams; i++) {
        const uint32_t length = fill(memory[i].data());
        items[i] = {memory[i].data(), length, segment, &options_.path};
      }
      result.packets += os::sendAll(socket, items.data(), items.size()).sent;
    }
    result.wallSeconds = now - wall;
    result.processorSeconds = secondsOf(CLOCK_THREAD_CPUTIME_ID) - processor;
    return result;
  }

  Flooded runPlain() {
    const os::Socket socket = os::Socket::udp({options_.path.local.address, AF_INET, 0, false, true});
    const uint32_t payload = options_.octets - ipHeader - udpHeader;
    return until(socket, payload, payload * options_.together, [&](uint8_t*) { return payload * options_.together; });
  }

  Flooded runSealed() {
    const auto dash = options_.algorithm.find('-');
    const std::string hash = dash == std::string::npos ? "" : options_.algorithm.substr(dash + 1);
    const auto transform = crypto::transformFromNames(options_.algorithm.substr(0, dash), hash, false);
    if (!transform) throw std::invalid_argument("no ESP algorithm is called " + options_.algorithm);
    const auto engine = crypto::makeEngine();
    esp::OutboundSa sa(options_.spi,
                       engine->expand(*transform, crypto::Direction::seal, options_.cipherKey, options_.integrityKey),
                       nullptr, options_.sent);
    esp::Worker worker(*engine);
    const os::Socket socket =
        os::Socket::udp({options_.path.local.address, AF_INET, options_.path.local.port, false, true});
    uint8_t headers[udpHeader + 10 + 4] = {};
    store16(headers, l2tpPort);
    store16(headers + 2, l2tpPort);
    size_t length = udpHeader;
    length += pipeline::writeL2tpDataHeader(headers + length, options_.tunnel, options_.session, false, 0);
    length += pipeline::writePppHeader(headers + length, pipeline::pppIpv4, true, true);
    const auto payload = static_cast<uint32_t>(length + options_.octets);
    store16(headers + 4, static_cast<uint16_t>(payload));
    const auto sealed = static_cast<uint32_t>(transform->sealedLength(payload));
    std::vector<esp::OutboundPacket> packets(options_.together);
    uint32_t flow = 0;
    return until(socket, sealed, sealed * options_.together, [&](uint8_t* to) {
      for (esp::OutboundPacket& packet : packets) {
        uint8_t* at = to + sa.headRoom();
        to += sealed;
        std::copy_n(headers, length, at);
        std::copy_n(inner_[flow].data(), options_.octets, at + length);
        flow = flow + 1 == options_.flows ? 0 : flow + 1;
        packet.sa = &sa;
        packet.payload = at;
        packet.length = payload;
        packet.nextHeader = 17;
      }
      worker.seal(packets);
      return sealed * options_.together;
    });
  }

  const FloodOptions& options_;
  std::vector<std::vector<uint8_t>> inner_;
};

}  // namespace

Flooded flood(const FloodOptions& options) { return Sender(options).run(); }

}  // namespace gatehouse::bench
