// Small numbers for the contexts of an engine, so that a key can keep something of its own for each context that has met it. Only for files of this folder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>

namespace gatehouse::crypto {

/// Contexts of an engine that a key remembers something for; a later one does without.
inline constexpr std::size_t rememberedContexts = 32;

/// Given out, and taken back when a context goes.
class ContextNumbers {
 public:
  /// `rememberedContexts` if all are taken.
  std::size_t take() {
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < rememberedContexts; ++i) {
      if ((taken_ >> i & 1U) == 0) {
        taken_ |= 1U << i;
        return i;
      }
    }
    return rememberedContexts;
  }
  void giveBack(std::size_t number) {
    const std::lock_guard lock(mutex_);
    if (number < rememberedContexts) taken_ &= ~(1U << number);
  }

 private:
  static_assert(rememberedContexts <= 32);
  std::mutex mutex_;
  std::uint32_t taken_ = 0;
};

}  // namespace gatehouse::crypto
