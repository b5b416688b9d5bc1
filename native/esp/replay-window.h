// CONTRACT. The anti-replay window (RFC 4303 §3.4.3, appendix A) as a ring of bitmap blocks after RFC 6479: advancing clears blocks and never shifts.
// Several workers may ask at once; only commit() changes it, under a lock of its own that is held for some nanoseconds.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

namespace gatehouse::esp {

inline constexpr std::uint32_t minimumReplayWindow = 32;
inline constexpr std::uint32_t maximumReplayWindow = 4096;
inline constexpr std::uint32_t defaultReplayWindow = 1024;

class ReplayWindow {
 public:
  /// `packets`: brought into 32..4096, rounded up to a multiple of 32.
  ReplayWindow(std::uint32_t packets, bool esn);

  /// The whole number that a received low half stands for (RFC 4303 appendix A2.1); without ESN the low half itself.
  [[nodiscard]] std::uint64_t infer(std::uint32_t low) const noexcept;

  /// Before authentication: could this number be new? Changes nothing.
  [[nodiscard]] bool check(std::uint64_t sequence) const noexcept;

  /// After authentication: checks again and takes the number. False: somebody else took it meanwhile, or the window moved past it.
  [[nodiscard]] bool commit(std::uint64_t sequence) noexcept;

  /// Highest authenticated number, 0 before the first.
  [[nodiscard]] std::uint64_t top() const noexcept { return top_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint32_t size() const noexcept { return size_; }

 private:
  using Block = std::atomic<std::uint64_t>;

  std::atomic<std::uint64_t> top_{0};
  std::atomic_flag lock_ = ATOMIC_FLAG_INIT;
  bool esn_;
  std::uint32_t size_;
  /// Number of blocks less one; a power of two less one.
  std::uint32_t mask_;
  std::unique_ptr<Block[]> blocks_;
};

}  // namespace gatehouse::esp
