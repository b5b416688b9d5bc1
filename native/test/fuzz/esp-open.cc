// Opening whatever comes from the network. An input is: transform, then packets, each two octets of length and form, then octets. Form 0 goes in as it
// is; form 1 gets the SA's SPI; form 2 is text that is sealed by the engine first, so that what lies behind authentication is met too.
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "esp/worker.h"

namespace {

using namespace gatehouse;

constexpr std::uint32_t spi = 0x01020304;

void require(bool condition) {
  if (!condition) std::abort();
}

const std::vector<crypto::Transform>& transforms() {
  static const std::vector<crypto::Transform> all = [] {
    std::vector<crypto::Transform> found;
    for (const char* cipher : {"null", "des", "3des", "aes128", "aes256", "aes128gcm16", "aes256gcm16"}) {
      for (const char* hash : {"", "md5", "sha1", "sha256", "sha256_96", "sha384", "sha512"}) {
        for (const bool esn : {false, true}) {
          if (const auto transform = crypto::transformFromNames(cipher, hash, esn)) found.push_back(*transform);
        }
      }
    }
    return found;
  }();
  return all;
}

struct Bench {
  std::unique_ptr<crypto::Engine> engine = crypto::makeEngine();
  std::unique_ptr<crypto::Context> context = engine->makeContext();
  esp::Worker worker{*engine};
  std::vector<std::uint8_t> key = std::vector<std::uint8_t>(64, 0x5a);
  esp::EpochDomain domain;
  esp::SaTable table{domain};
  esp::EpochDomain::Reader reader{domain};
  /// One for each transform, made at its first use.
  std::vector<std::unique_ptr<crypto::Key>> sealKeys = std::vector<std::unique_ptr<crypto::Key>>(transforms().size());

  std::unique_ptr<crypto::Key> expand(const crypto::Transform& t, crypto::Direction direction) const {
    const std::span<const std::uint8_t> octets(key);
    return engine->expand(t, direction, octets.first(t.cipherKeyLength()), octets.first(t.integrityKeyLength()));
  }
};

using Octets = std::vector<std::uint8_t>;

/// The text as the payload, padding and trailer of a packet with a right ICV.
Octets sealed(Bench& bench, crypto::Key& key, const Octets& text) {
  const crypto::Transform& t = key.transform();
  Octets packet = text;
  packet.resize(std::max<std::size_t>((text.size() + t.blockSize() - 1) / t.blockSize() * t.blockSize(),
                                      t.headRoom() + t.blockSize()));
  packet.resize(t.headRoom() + (packet.size() - t.headRoom()) / t.blockSize() * t.blockSize());
  const std::uint32_t big = __builtin_bswap32(spi);
  std::memcpy(packet.data(), &big, 4);
  crypto::Job job{.key = &key, .packet = nullptr, .length = static_cast<std::uint32_t>(packet.size())};
  packet.resize(packet.size() + t.icvLength());
  job.packet = packet.data();
  bench.context->seal({&job, 1});
  require(job.status == crypto::Status::ok);
  return packet;
}

void check(const esp::InboundPacket& packet, std::uint64_t topBefore) {
  const bool authentic = packet.result == esp::OpenResult::ok || packet.result == esp::OpenResult::malformed ||
                         packet.result == esp::OpenResult::dummy;
  require(packet.result != esp::OpenResult::engineFailed);
  require(authentic || (!packet.first && !packet.newest && packet.payload == nullptr && packet.payloadLength == 0));
  if (packet.sa != nullptr && !authentic) require(packet.sa->window().top() >= topBefore);
  if (packet.result != esp::OpenResult::ok) return;
  require(packet.payload >= packet.esp && packet.payload + packet.payloadLength <= packet.esp + packet.length);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Bench bench;
  if (size < 1) return 0;
  const std::size_t number = data[0] % transforms().size();
  const crypto::Transform& t = transforms()[number];
  ++data;
  --size;
  auto& sealKey = bench.sealKeys[number];
  if (!sealKey) sealKey = bench.expand(t, crypto::Direction::seal);
  auto receiver = std::make_unique<esp::InboundSa>(spi, bench.expand(t, crypto::Direction::open), 64);
  const esp::InboundSa& sa = *receiver;
  require(bench.table.add(receiver));
  bench.reader.enter();

  std::vector<Octets> packets;
  while (size >= 2) {
    const std::size_t length = std::min<std::size_t>((data[0] | data[1] << 8) & 0x3ff, size - 2);
    const unsigned form = data[1] >> 6;
    Octets packet(data + 2, data + 2 + length);
    data += 2 + length;
    size -= 2 + length;
    if (form == 1 && packet.size() >= 4) {
      const std::uint32_t big = __builtin_bswap32(spi);
      std::memcpy(packet.data(), &big, 4);
    } else if (form >= 2) {
      packet = sealed(bench, *sealKey, packet);
    }
    packets.push_back(std::move(packet));
  }
  std::vector<esp::InboundPacket> batch;
  for (Octets& packet : packets) {
    batch.push_back({.esp = packet.data(), .length = static_cast<std::uint32_t>(packet.size())});
  }
  const std::uint64_t topBefore = sa.window().top();
  bench.worker.open(bench.table, batch);
  bool authentic = false;
  for (const auto& packet : batch) {
    check(packet, topBefore);
    authentic = authentic || packet.newest;
  }
  require(authentic == (sa.window().top() != topBefore));
  const esp::Counters counters = sa.counters();
  require(counters.packets + counters.malformed + counters.dummies + counters.forged + counters.replayed <=
          batch.size());
  bench.reader.leave();
  require(bench.table.remove(spi));
  require(bench.domain.collect() == 0);
  return 0;
}
