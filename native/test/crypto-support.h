// What the tests of the engines share: one packet through one engine.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "crypto/engine.h"
#include "test/test.h"

namespace gatehouse::test {

struct Opened {
  crypto::Status status;
  Octets packet;

  friend bool operator==(const Opened&, const Opened&) = default;
};

/// A packet (header, IV, text) sealed by itself: with its ICV behind.
inline Octets sealWith(crypto::Engine& engine, const crypto::Transform& transform, const Octets& cipherKey,
                       const Octets& integrityKey, Octets packet, std::uint32_t sequenceHigh = 0) {
  const auto key = engine.expand(transform, crypto::Direction::seal, cipherKey, integrityKey);
  const auto length = static_cast<std::uint32_t>(packet.size());
  packet.resize(packet.size() + transform.icvLength());
  crypto::Job job{.key = key.get(), .packet = packet.data(), .length = length, .sequenceHigh = sequenceHigh};
  engine.makeContext()->seal({&job, 1});
  CHECK_EQUAL(job.status, crypto::Status::ok);
  return packet;
}

/// The other way; the ICV is taken off.
inline Opened openWith(crypto::Engine& engine, const crypto::Transform& transform, const Octets& cipherKey,
                       const Octets& integrityKey, Octets packet, std::uint32_t sequenceHigh = 0) {
  const auto key = engine.expand(transform, crypto::Direction::open, cipherKey, integrityKey);
  const auto length = static_cast<std::uint32_t>(packet.size() - transform.icvLength());
  crypto::Job job{.key = key.get(), .packet = packet.data(), .length = length, .sequenceHigh = sequenceHigh};
  engine.makeContext()->open({&job, 1});
  packet.resize(length);
  return {job.status, packet};
}

/// Every engine that this machine has, one after the other: the named ones, and where the kernel has AF_ALG each of its drivers, asynchronous ones of DES
/// and 3DES among them (cryptd, made by asking), with cipher and hash in one operation and apart.
std::vector<std::unique_ptr<crypto::Engine>> everyEngine();

/// Runs `body` for each of them; failures name the engine.
template <typename Body>
void eachEngine(Body&& body) {
  for (const auto& engine : everyEngine()) {
    about(std::string(engine->name()));
    body(*engine);
  }
  about("");
}

inline Octets operator+(Octets a, const Octets& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

}  // namespace gatehouse::test
