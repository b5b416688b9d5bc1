// The kernel data plane as one object: opened, changed, asked and closed by one thread (Node's main thread), working on a thread of its own.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "kernel/control.h"
#include "kernel/directory.h"
#include "linux/sockets.h"
#include "linux/tun.h"
#include "pipeline/counters.h"
#include "pipeline/events.h"

namespace gatehouse::kernel {

struct KernelOptions {
  /// Empty: every address of both families.
  std::vector<Address> listen;
  /// 0: any free port.
  uint16_t ikePort = 500;
  uint16_t nattPort = 4500;
  /// A device that carries our inner address and nothing else: what is routed to nobody ends there.
  os::TunOptions tun;
  std::string devicePrefix = "ghp";
  /// `auto`, `off`, `crypto`, `packet` (linux/offload-device.h) or a device's name.
  std::string offload = "auto";
  /// Where descriptors are held (holder/holder.h); empty: nowhere.
  std::string holder;
  bool resume = false;
};

class KernelPlane {
 public:
  /// Opens everything and starts the thread. Throws os::OpenError. `onWake` is called from the thread, once until the next drain().
  KernelPlane(const KernelOptions& options, std::function<void()> onWake);
  ~KernelPlane();
  KernelPlane(const KernelPlane&) = delete;
  KernelPlane& operator=(const KernelPlane&) = delete;

  [[nodiscard]] uint16_t ikePort() const;
  [[nodiscard]] uint16_t nattPort() const;
  [[nodiscard]] std::string description() const;

  // Each is done by the thread, in the order of the calls. What becomes of a list comes as the event `applied`.
  void apply(uint32_t job, std::span<const uint8_t> list);
  void sendIke(const Path& path, std::span<const uint8_t> message);
  void sendKeepalive(const Path& path);
  void sendControl(uint32_t peer, uint16_t localPort, uint16_t remotePort, std::span<const uint8_t> message);
  void sendPpp(uint32_t session, uint16_t protocol, std::span<const uint8_t> payload);
  /// As pipeline::DataPlane has it; here nothing is gathered.
  void flush() {}

  /// After opening with `resume`, once what lives has been named again: the rest of what a former process left goes.
  void forgetTheRest();

  /// As pipeline::DataPlane.
  size_t drain(std::span<uint8_t> to, bool& more);
  std::vector<uint8_t> activity();
  [[nodiscard]] std::vector<std::pair<std::string, uint64_t>> counters();

  /// Stops the thread and takes everything out of the kernel. Nothing after this does anything.
  void close();

 private:
  class Thread;

  std::unique_ptr<Thread> thread_;
};

}  // namespace gatehouse::kernel
