// A lock for some nanoseconds of work: one exchange to take, one store to give back.
#pragma once

#include <sched.h>

#include <atomic>

namespace gatehouse::esp {

class SpinLock {
 public:
  void lock() noexcept {
    unsigned tries = 0;
    while (locked_.exchange(true, std::memory_order_acquire)) {
      do {
        // The holder may have lost its processor: with as many workers as cores spinning on would wait for the whole time slice.
        if (++tries % 64 == 0) {
          sched_yield();
        } else {
          relax();
        }
      } while (locked_.load(std::memory_order_relaxed));
    }
  }
  void unlock() noexcept { locked_.store(false, std::memory_order_release); }

 private:
  static void relax() noexcept {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
  }

  std::atomic<bool> locked_{false};
};

}  // namespace gatehouse::esp
