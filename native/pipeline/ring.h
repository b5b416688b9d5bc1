// A bounded ring of records from one worker to the main thread. Full means that the record isn't taken: whoever pushes counts that.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>

#include "pipeline/octets.h"

namespace gatehouse::pipeline {

/// One writer, one reader. A record is any octets; it is kept contiguous behind four octets of length.
class Ring {
 public:
  /// `capacity`: octets, a power of two.
  explicit Ring(size_t capacity) : capacity_(capacity), octets_(new uint8_t[capacity]) {}

  bool push(std::span<const uint8_t> head, std::span<const uint8_t> body) {
    const size_t length = head.size() + body.size();
    const size_t size = slot(length);
    const size_t write = write_.load(std::memory_order_relaxed);
    const size_t used = write - read_.load(std::memory_order_acquire);
    const size_t at = write & (capacity_ - 1);
    const size_t skip = at + size > capacity_ ? capacity_ - at : 0;
    if (used + skip + size > capacity_) return false;
    if (skip != 0) store32(&octets_[at], wrapped);
    uint8_t* to = &octets_[skip != 0 ? 0 : at];
    store32(to, static_cast<uint32_t>(length));
    if (!head.empty()) std::memcpy(to + 4, head.data(), head.size());
    if (!body.empty()) std::memcpy(to + 4 + head.size(), body.data(), body.size());
    write_.store(write + skip + size, std::memory_order_release);
    return true;
  }

  /// Moves whole records, each behind its length, to `to` while they fit; returns the octets written.
  size_t take(std::span<uint8_t> to) {
    size_t filled = 0;
    size_t read = read_.load(std::memory_order_relaxed);
    const size_t write = write_.load(std::memory_order_acquire);
    while (read != write) {
      const size_t at = read & (capacity_ - 1);
      const uint32_t length = load32(&octets_[at]);
      if (length == wrapped) {
        read += capacity_ - at;
        continue;
      }
      if (4 + length > to.size() - filled) break;
      std::memcpy(&to[filled], &octets_[at], 4 + length);
      filled += 4 + length;
      read += slot(length);
    }
    read_.store(read, std::memory_order_release);
    return filled;
  }

  [[nodiscard]] bool empty() const {
    return read_.load(std::memory_order_relaxed) == write_.load(std::memory_order_acquire);
  }

 private:
  static constexpr uint32_t wrapped = 0xFFFFFFFF;
  static size_t slot(size_t length) { return (4 + length + 7) & ~size_t{7}; }

  const size_t capacity_;
  std::unique_ptr<uint8_t[]> octets_;
  alignas(64) std::atomic<size_t> write_{0};
  alignas(64) std::atomic<size_t> read_{0};
};

}  // namespace gatehouse::pipeline
