// One thread with sockets and a TUN queue of its own, which carries each batch from end to end. Order is kept because of how packets are dealt out:
// inbound by SPI, outbound by the kernel's choice of TUN queue for a flow, and by each pair's lock.
#pragma once

#include <memory>
#include <thread>

#include "linux/file.h"
#include "pipeline/coalesce.h"
#include "pipeline/context.h"
#include "pipeline/inbound.h"
#include "pipeline/moderation.h"
#include "pipeline/outbound.h"

namespace gatehouse::pipeline {

/// Writes to one queue of the TUN.
class TunQueue : public PacketSink {
 public:
  TunQueue(int descriptor, Counters& counters) : descriptor_(descriptor), counters_(counters) {}
  void write(const iovec* pieces, size_t count) override;

 private:
  int descriptor_;
  Counters& counters_;
};

class Worker {
 public:
  Worker(Context& context, Sockets sockets, uint32_t queue);
  /// The thread must have been stopped.
  ~Worker() = default;
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void start();
  /// Returns when the thread has ended; Context::stopping must be set.
  void stop();

  [[nodiscard]] const Sockets& sockets() const { return sockets_; }
  Events& events() { return events_; }
  [[nodiscard]] const Counters& counters() const { return counters_; }

 private:
  static constexpr size_t tunRoom = 65536 + sizeof(VirtioHeader);
  /// With its virtio header: a packet, or a few small ones that the kernel gathered.
  static constexpr ssize_t smallRoom = 2048;
  /// Reads of the TUN before the sockets get their turn.
  static constexpr unsigned tunBudget = 64;

  void watch(int descriptor, uint64_t tag);
  void run();
  void receive(uint64_t tag, uint64_t now);
  void readTun();

  Context& context_;
  Sockets sockets_;
  int tunDescriptor_;
  os::File epoll_;
  os::File kick_;
  Events events_;
  Counters counters_;
  esp::Worker esp_;
  TunQueue tun_;
  Coalescer coalescer_;
  Inbound inbound_;
  Outbound outbound_;
  os::ReceiveBatch batch_;
  std::unique_ptr<uint8_t[]> tunBuffer_;
  Moderation moderation_;
  std::thread thread_;
};

}  // namespace gatehouse::pipeline
