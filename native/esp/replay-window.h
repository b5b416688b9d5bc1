// CONTRACT. The anti-replay window (RFC 4303 §3.4.3, appendix A) as a ring of bitmap blocks after RFC 6479: advancing clears blocks and never shifts.
// Several workers may ask at once; only commit() changes it, under a lock of its own that is held for some nanoseconds.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>

#include "esp/spin-lock.h"

namespace gatehouse::esp {

inline constexpr std::uint32_t minimumReplayWindow = 32;
inline constexpr std::uint32_t maximumReplayWindow = 4096;
inline constexpr std::uint32_t defaultReplayWindow = 1024;

enum class Taken : std::uint8_t {
  /// Seen before, or left of the window.
  refused,
  /// New, but overtaken by a later one.
  late,
  /// Higher than all before: the window has moved.
  newest,
  /// The very first.
  first
};

class ReplayWindow {
 public:
  /// `packets`: brought into 32..4096.
  ReplayWindow(std::uint32_t packets, bool esn);

  /// The whole number that a received low half stands for (RFC 4303 appendix A2.1); without ESN the low half itself.
  /// 0, which no window takes, if it would lie beyond 2^64 - 1.
  [[nodiscard]] std::uint64_t infer(std::uint32_t low) const noexcept;

  /// Before authentication: could this number be new? Changes nothing.
  [[nodiscard]] bool check(std::uint64_t sequence) const noexcept {
    return fresh(sequence, top_.load(std::memory_order_relaxed));
  }

  /// After authentication: checks again and takes the number, unless somebody else did so meanwhile or the window has moved past it.
  /// `count` is called under the lock if it is taken, so that counters need no locked instruction of their own.
  template <typename Count>
  [[nodiscard]] Taken commit(std::uint64_t sequence, Count&& count) noexcept {
    const std::lock_guard lock(lock_);
    const std::uint64_t top = top_.load(std::memory_order_relaxed);
    if (!fresh(sequence, top)) return Taken::refused;
    if (sequence > top) advance(top, sequence);
    Block& block = blocks_[(sequence / blockBits) & mask_];
    block.store(block.load(std::memory_order_relaxed) | bit(sequence), std::memory_order_relaxed);
    count();
    if (sequence < top) return Taken::late;
    return top == 0 ? Taken::first : Taken::newest;
  }
  [[nodiscard]] Taken commit(std::uint64_t sequence) noexcept {
    return commit(sequence, [] {});
  }

  /// Highest authenticated number, 0 before the first.
  [[nodiscard]] std::uint64_t top() const noexcept { return top_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint32_t size() const noexcept { return size_; }

 private:
  using Block = std::atomic<std::uint64_t>;
  static constexpr std::uint64_t blockBits = 64;

  static std::uint64_t bit(std::uint64_t sequence) noexcept { return std::uint64_t{1} << (sequence % blockBits); }

  /// Outside the lock the answer may be out of date by what commit() does at that moment; commit() asks again.
  [[nodiscard]] bool fresh(std::uint64_t sequence, std::uint64_t top) const noexcept {
    if (sequence > top) return true;
    if (sequence == 0 || top - sequence >= size_) return false;
    return (blocks_[(sequence / blockBits) & mask_].load(std::memory_order_relaxed) & bit(sequence)) == 0;
  }

  /// Moves the right edge; the blocks that come into the window are cleared.
  void advance(std::uint64_t top, std::uint64_t sequence) noexcept {
    const std::uint64_t from = top / blockBits;
    const std::uint64_t steps = std::min<std::uint64_t>(sequence / blockBits - from, mask_ + 1);
    for (std::uint64_t i = 1; i <= steps; ++i) blocks_[(from + i) & mask_].store(0, std::memory_order_relaxed);
    top_.store(sequence, std::memory_order_relaxed);
  }

  std::atomic<std::uint64_t> top_{0};
  SpinLock lock_;
  bool esn_;
  std::uint32_t size_;
  /// Number of blocks less one; a power of two less one. One block more than the window has, since its edges stand inside blocks.
  std::uint32_t mask_;
  std::unique_ptr<Block[]> blocks_;
};

}  // namespace gatehouse::esp
