#include "bench/load.h"

#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <cstdint>

#include "linux/file.h"

namespace gatehouse::bench {

namespace {

/// More than a core's first caches hold, less than would make swapping likely on a small board.
constexpr std::size_t workingSet = 1 << 20;
constexpr std::size_t datagramsInARow = 8;
/// Some ten thousand datagrams a second.
constexpr auto rest = std::chrono::microseconds(500);

}  // namespace

Load::Load() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0) CPU_SET(0, &allowed);
  for (std::size_t core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(core, &allowed)) threads_.emplace_back([this, core] { compute(core); });
  }
  threads_.emplace_back([this] { interrupt(); });
}

Load::~Load() {
  stopping_ = true;
  for (std::thread& thread : threads_) thread.join();
}

void Load::compute(std::size_t core) const {
  // Kept where it is, or a core might be left to the measuring thread alone.
  cpu_set_t own;
  CPU_ZERO(&own);
  CPU_SET(core, &own);
  (void)::sched_setaffinity(0, sizeof own, &own);
  std::vector<std::uint32_t> memory(workingSet / sizeof(std::uint32_t), 1);
  std::uint32_t state = 1;
  while (!stopping_) {
    for (std::size_t i = 0; i < 4096; ++i) {
      state = state * 1664525 + 1013904223;
      memory[state % memory.size()] += state;
    }
  }
}

void Load::interrupt() const {
  const os::File socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* name = reinterpret_cast<sockaddr*>(&address);
  // Without a network there are only the computing threads.
  if (!socket.open() || ::bind(socket.get(), name, length) != 0 || ::getsockname(socket.get(), name, &length) != 0)
    return;
  std::array<std::uint8_t, 1400> datagram{};
  while (!stopping_) {
    for (std::size_t i = 0; i < datagramsInARow; ++i) {
      (void)::sendto(socket.get(), datagram.data(), datagram.size(), 0, name, length);
      (void)::recv(socket.get(), datagram.data(), datagram.size(), 0);
    }
    std::this_thread::sleep_for(rest);
  }
}

}  // namespace gatehouse::bench
