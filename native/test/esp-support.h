// What the tests of ESP share: both ends of an SA, one packet at a time, with IVs that the test chooses.
#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "esp/worker.h"
#include "test/crypto-support.h"

namespace gatehouse::test {

inline std::string show(const esp::Counters& c) {
  return "packets " + std::to_string(c.packets) + ", octets " + std::to_string(c.octets) + ", replayed " +
         std::to_string(c.replayed) + ", forged " + std::to_string(c.forged) + ", malformed " +
         std::to_string(c.malformed) + ", dummies " + std::to_string(c.dummies);
}

/// Gives the octets that it was made with, then counts upwards.
class FixedRandom final : public crypto::RandomSource {
 public:
  explicit FixedRandom(const std::vector<Octets>& first = {}) {
    for (const Octets& octets : first) octets_.insert(octets_.end(), octets.begin(), octets.end());
  }
  void fill(std::span<std::uint8_t> octets) noexcept override {
    for (std::uint8_t& octet : octets) {
      octet = at_ < octets_.size() ? octets_[at_] : static_cast<std::uint8_t>(at_);
      ++at_;
    }
  }

 private:
  Octets octets_;
  std::size_t at_ = 0;
};

/// As the data plane makes it: of the other truncation, where there is one.
inline std::unique_ptr<crypto::Key> otherKey(crypto::Engine& engine, const crypto::Transform& transform,
                                             crypto::Direction direction, const Octets& cipherKey,
                                             const Octets& integrityKey) {
  const auto other = crypto::otherTruncation(transform);
  return other ? engine.expand(*other, direction, cipherKey, integrityKey) : nullptr;
}

struct Sent {
  esp::SealResult result;
  bool sequenceLow;
  Octets packet;

  friend bool operator==(const Sent&, const Sent&) = default;
};

class Sender {
 public:
  Sender(crypto::Engine& engine, const crypto::Transform& transform, const Octets& cipherKey,
         const Octets& integrityKey, std::uint32_t spi, std::uint64_t sent = 0, const std::vector<Octets>& ivs = {})
      : worker_(engine, std::make_unique<FixedRandom>(ivs)),
        sa_(spi, engine.expand(transform, crypto::Direction::seal, cipherKey, integrityKey), nullptr, sent,
            otherKey(engine, transform, crypto::Direction::seal, cipherKey, integrityKey)) {}

  Sent seal(const Octets& payload, std::uint8_t nextHeader = 17) {
    // Guards around the room that was promised show whether more is written.
    constexpr std::size_t guard = 16;
    Octets memory(guard + sa_.headRoom() + payload.size() + sa_.tailRoom() + guard, 0xa5);
    std::uint8_t* at = memory.data() + guard + sa_.headRoom();
    std::copy(payload.begin(), payload.end(), at);
    esp::OutboundPacket packet{.sa = &sa_,
                               .payload = at,
                               .length = static_cast<std::uint32_t>(payload.size()),
                               .nextHeader = nextHeader,
                               .switched = sa_.switched()};
    worker_.seal({&packet, 1});
    const Octets untouched(guard, 0xa5);
    CHECK_EQUAL(Octets(memory.begin(), memory.begin() + guard), untouched);
    CHECK_EQUAL(Octets(memory.end() - guard, memory.end()), untouched);
    if (packet.result != esp::SealResult::ok) return {packet.result, packet.sequenceLow, {}};
    CHECK(packet.esp == memory.data() + guard);
    CHECK_EQUAL(std::size_t{packet.espLength}, sa_.sealedLength(payload.size(), packet.switched));
    return {packet.result, packet.sequenceLow, Octets(packet.esp, packet.esp + packet.espLength)};
  }

  esp::OutboundSa& sa() { return sa_; }
  esp::Worker& worker() { return worker_; }

 private:
  esp::Worker worker_;
  esp::OutboundSa sa_;
};

struct Received {
  esp::OpenResult result = esp::OpenResult::engineFailed;
  std::uint8_t nextHeader = 0;
  Octets payload;
  bool first = false;
  bool newest = false;

  friend bool operator==(const Received&, const Received&) = default;
};

class Receiver {
 public:
  Receiver(crypto::Engine& engine, const crypto::Transform& transform, const Octets& cipherKey,
           const Octets& integrityKey, std::uint32_t spi, std::uint32_t window = esp::defaultReplayWindow)
      : worker_(engine), table_(domain_), reader_(domain_) {
    auto sa = std::make_unique<esp::InboundSa>(
        spi, engine.expand(transform, crypto::Direction::open, cipherKey, integrityKey), window, nullptr,
        otherKey(engine, transform, crypto::Direction::open, cipherKey, integrityKey));
    sa_ = sa.get();
    CHECK(table_.add(sa));
  }

  Received open(const Octets& packet) { return std::move(openAll({packet}).front()); }

  std::vector<Received> openAll(std::vector<Octets> packets) {
    std::vector<esp::InboundPacket> batch;
    for (Octets& packet : packets) {
      batch.push_back({.esp = packet.data(), .length = static_cast<std::uint32_t>(packet.size())});
    }
    const esp::EpochDomain::Guard inside(reader_);
    worker_.open(table_, batch);
    std::vector<Received> received;
    for (const esp::InboundPacket& p : batch) {
      const bool ok = p.result == esp::OpenResult::ok;
      received.push_back({p.result, ok ? p.nextHeader : std::uint8_t{0},
                          ok ? Octets(p.payload, p.payload + p.payloadLength) : Octets(), p.first, p.newest});
    }
    return received;
  }

  const esp::InboundSa& sa() const { return *sa_; }
  esp::SaTable& table() { return table_; }
  esp::EpochDomain& domain() { return domain_; }

 private:
  esp::Worker worker_;
  esp::EpochDomain domain_;
  esp::SaTable table_;
  esp::EpochDomain::Reader reader_;
  esp::InboundSa* sa_ = nullptr;
};

/// Key octets that are not all the same, and not weak DES keys.
inline Octets someKey(std::size_t length, std::uint8_t seed = 1) {
  Octets key(length);
  for (std::size_t i = 0; i < length; ++i) key[i] = static_cast<std::uint8_t>(std::size_t{seed} * 37 + i * 11 + 3);
  return key;
}

/// Every transform there is.
inline std::vector<crypto::Transform> allTransforms() {
  std::vector<crypto::Transform> all;
  for (const char* cipher :
       {"null", "des", "3des", "aes128", "aes192", "aes256", "aes128gcm16", "aes192gcm16", "aes256gcm16"}) {
    for (const char* hash : {"", "md5", "sha1", "sha256", "sha256_96", "sha384", "sha512"}) {
      for (const bool esn : {false, true}) {
        if (const auto transform = crypto::transformFromNames(cipher, hash, esn)) all.push_back(*transform);
      }
    }
  }
  return all;
}

}  // namespace gatehouse::test
