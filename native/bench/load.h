// Other work for the machine while something is measured: what an engine does on a busy router, not on an idle one.
#pragma once

#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

namespace gatehouse::bench {

/// From its construction to its end: on each core a thread that computes over memory larger than its first caches, and one thread that sends itself
/// UDP datagrams over loopback, whose soft interrupts come in the middle of whatever runs.
class Load {
 public:
  Load();
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;
  ~Load();

 private:
  void compute(std::size_t core) const;
  void interrupt() const;

  std::atomic<bool> stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace gatehouse::bench
