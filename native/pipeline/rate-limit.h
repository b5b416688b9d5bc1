// Holds back events that strangers can cause: one a second for each source, and a number a second in all.
#pragma once

#include <array>
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

}  // namespace gatehouse::pipeline
