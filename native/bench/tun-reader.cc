#include "bench/tun-reader.h"

#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <ctime>
#include <memory>
#include <thread>

#include "pipeline/moderation.h"
#include "pipeline/segment.h"

namespace gatehouse::bench {
namespace {

constexpr size_t room = 65536 + sizeof(pipeline::VirtioHeader);
/// As a worker's.
constexpr unsigned budget = 64;
/// Of silence, in ms: then all has been read.
constexpr int silence = 20;

TunRead readUntil(int descriptor, const std::atomic<bool>& over) {
  pipeline::Moderation::prepareThread();
  const std::unique_ptr<uint8_t[]> buffer(new uint8_t[room]);
  pipeline::Moderation moderation;
  TunRead result;
  pollfd ready{descriptor, POLLIN, 0};
  while (::poll(&ready, 1, silence) > 0 || !over) {
    unsigned count = 0;
    while (count<budget&& ::read(descriptor, buffer.get(), room)> 0) count += 1;
    result.packets += count;
    moderation.turn(count, count < budget);
    moderation.pauseIfDue();
  }
  timespec spent{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
  result.processorSeconds = static_cast<double>(spent.tv_sec) + static_cast<double>(spent.tv_nsec) / 1e9;
  return result;
}

}  // namespace

TunRead readTun(const os::TunOptions& device, const FloodOptions& options) {
  const os::Tun tun(device);
  std::atomic<bool> over = false;
  TunRead result;
  std::thread reader([&] { result = readUntil(tun.descriptor(0), over); });
  try {
    flood(options);
  } catch (...) {
    over = true;
    reader.join();
    throw;
  }
  over = true;
  reader.join();
  return result;
}

}  // namespace gatehouse::bench
