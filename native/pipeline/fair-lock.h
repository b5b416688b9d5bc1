// A lock that is given in the order of asking. The main thread sends control messages through SAs that a busy worker takes again and again:
// with an unfair lock it could wait for as long as the traffic lasts.
#pragma once

#include <atomic>
#include <cstdint>

namespace gatehouse::pipeline {

class FairLock {
 public:
  void lock() {
    const uint32_t ticket = next_.fetch_add(1, std::memory_order_relaxed);
    for (uint32_t serving = serving_.load(std::memory_order_acquire); serving != ticket;
         serving = serving_.load(std::memory_order_acquire)) {
      serving_.wait(serving, std::memory_order_acquire);
    }
  }
  void unlock() {
    serving_.fetch_add(1, std::memory_order_release);
    serving_.notify_all();
  }

 private:
  std::atomic<uint32_t> next_{0};
  std::atomic<uint32_t> serving_{0};
};

}  // namespace gatehouse::pipeline
