// Holds back events that others can cause: strangers' one a second for each source and a number a second in all; a peer's so many in each span of time,
// so that no peer fills the ring in which all are heard.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

namespace gatehouse::pipeline {

/// Sources are told apart by a hash in a small table; a collision makes one wait for the other, which does no harm.
class RateLimit {
 public:
  explicit RateLimit(uint32_t perSecond) : perSecond_(perSecond) {}

  /// `now` in milliseconds.
  bool allows(uint64_t source, uint64_t now) {
    const uint64_t second = now / 1000;
    if (second != second_) {
      second_ = second;
      used_ = 0;
    }
    uint64_t& last = last_[source % last_.size()];
    if (used_ >= perSecond_ || (last != 0 && now < last + 1000)) return false;
    used_ += 1;
    last = now;
    return true;
  }

 private:
  const uint32_t perSecond_;
  uint64_t second_ = 0;
  uint32_t used_ = 0;
  std::array<uint64_t, 256> last_{};
};

/// So much in each window of time. Any thread may ask.
class Allowance {
 public:
  Allowance(uint16_t most, uint32_t windowMs) : most_(most), windowMs_(windowMs) {}

  /// `now` in milliseconds. All of it or nothing.
  bool take(uint64_t now, uint32_t cost = 1) {
    const uint64_t window = (now / windowMs_) << 16;
    uint64_t seen = state_.load(std::memory_order_relaxed);
    for (;;) {
      const uint64_t used = (seen & ~uint64_t{0xFFFF}) == window ? seen & 0xFFFF : 0;
      if (used + cost > most_) return false;
      if (state_.compare_exchange_weak(seen, window | (used + cost), std::memory_order_relaxed)) return true;
    }
  }

 private:
  const uint16_t most_;
  const uint32_t windowMs_;
  /// The window's number, and in the last 16 bits how many it has used.
  std::atomic<uint64_t> state_{0};
};

}  // namespace gatehouse::pipeline
