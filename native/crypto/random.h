// Where IVs come from: unpredictable octets, cheap enough to draw for each packet.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace gatehouse::crypto {

class RandomSource {
 public:
  RandomSource() = default;
  RandomSource(const RandomSource&) = delete;
  RandomSource& operator=(const RandomSource&) = delete;
  virtual ~RandomSource() = default;
  /// Fills all of it. Not to be used by two threads at once.
  virtual void fill(std::span<std::uint8_t> octets) noexcept = 0;
};

/// AES-256 in counter mode under a key from the kernel, replaced from its own output at each refill, so that what is in memory tells nothing of
/// what was sent before. Throws std::runtime_error if the kernel gives no randomness.
std::unique_ptr<RandomSource> makeRandomSource();

}  // namespace gatehouse::crypto
