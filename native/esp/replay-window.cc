#include "esp/replay-window.h"

#include <bit>

namespace gatehouse::esp {

ReplayWindow::ReplayWindow(std::uint32_t packets, bool esn)
    : esn_(esn), size_(std::clamp(packets, minimumReplayWindow, maximumReplayWindow)) {
  const std::uint32_t blocks = std::bit_ceil((size_ + 63) / 64 + 1);
  mask_ = blocks - 1;
  blocks_ = std::make_unique<Block[]>(blocks);
}

std::uint64_t ReplayWindow::infer(std::uint32_t low) const noexcept {
  if (!esn_) return low;
  const std::uint64_t top = top_.load(std::memory_order_relaxed);
  const auto topLow = static_cast<std::uint32_t>(top);
  const auto topHigh = static_cast<std::uint32_t>(top >> 32);
  // May go below zero and around: then the window's left edge lies in the subspace before (case B).
  const std::uint32_t leftEdge = topLow - size_ + 1;
  std::uint32_t high = topHigh;
  if (topLow >= size_ - 1) {
    if (low < leftEdge) {
      if (topHigh == 0xffffffff) return 0;
      high = topHigh + 1;
    }
  } else if (low >= leftEdge && topHigh > 0) {
    // In the first subspace there is none before; the number is far to the right, and the integrity value will tell.
    high = topHigh - 1;
  }
  return std::uint64_t{high} << 32 | low;
}

}  // namespace gatehouse::esp
