// The plane's own thread: what comes by sockets and netlink goes up as events; what the main thread wants done is done in order.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_set>
#include <vector>

#include "kernel/control.h"
#include "kernel/directory.h"
#include "kernel/packet-socket.h"
#include "kernel/plane.h"
#include "linux/sockets.h"
#include "linux/tun.h"
#include "pipeline/counters.h"
#include "pipeline/events.h"
#include "pipeline/rate-limit.h"

namespace gatehouse::kernel {

class KernelPlane::Thread : public Watch {
 public:
  Thread(const KernelOptions& options, std::function<void()> onWake);
  ~Thread() override;

  void start();
  void stop();
  /// What came meanwhile for peers that are known again is read from now on.
  void forgetTheRest();
  /// From any thread: done in order.
  void post(std::function<void()> work);

  // The thread's, or while it doesn't run.
  void apply(uint32_t job, std::span<const uint8_t> list);
  void sendIke(const Path& path, std::span<const uint8_t> message);
  void sendKeepalive(const Path& path);
  void sendControl(uint32_t peer, uint16_t localPort, uint16_t remotePort, std::span<const uint8_t> message);
  void sendPpp(uint32_t session, uint16_t protocol, std::span<const uint8_t> payload);

  // Watch
  void add(int descriptor, Kind kind, uint32_t id) override;
  void remove(int descriptor) override;
  void listenOn(uint16_t port) override;

  // Any thread.
  size_t drain(std::span<uint8_t> to, bool& more);
  [[nodiscard]] const pipeline::Counters& counted() const { return counters_; }
  [[nodiscard]] std::string description();
  Directory directory;
  uint16_t ikePort = 0;
  uint16_t nattPort = 0;

 private:
  enum class Source : uint8_t { wake, news, ike, natt, control, data, stray, strayEsp, dhcp, tunnel, channel, unit };

  os::Socket socketFor(const std::string& name, const os::SocketOptions& options);
  void openSockets();
  void openStrayEsp();
  void openTable();
  void openAnchor();
  void openControlPort(uint16_t port);
  void watch(int descriptor, Source source, uint32_t id);
  void watchOnceKnown(int descriptor, Source source, uint32_t id);
  void run();
  void work();
  void dispatch(Source source, uint32_t id);
  void wake();

  // Receiving (receive.cc).
  void readNews();
  void readIke(const os::Socket& socket, bool marker);
  void readControl(const os::Socket& socket);
  void readStray(const os::Socket& socket, uint16_t port);
  void readTunnel(int descriptor, uint16_t number);
  void readFrames(uint32_t id, bool unit);
  void readDhcp();
  void tellUsed(Pair& pair);
  void tellAcquire(const os::xfrm::Acquire& wanted);
  void tellApplied();
  std::string offloadNews();
  void strayData(const Peer& peer, uint16_t wireTunnel, std::span<const uint8_t> message);

  KernelOptions options_;
  std::function<void()> onWake_;
  std::atomic<bool> wakePending_{false};
  std::atomic<bool> stopping_{false};
  pipeline::Events events_;
  pipeline::Counters counters_;
  Keeper keeper_;
  /// The names of sockets and of the anchor with the holder.
  std::vector<std::string> names_;
  std::unique_ptr<os::Tun> anchor_;
  os::File poll_;
  os::File bell_;
  std::vector<os::Socket> ike_;
  std::vector<os::Socket> natt_;
  std::vector<os::Socket> l2tp_;
  std::vector<os::Socket> data_;
  std::vector<os::Socket> stray_;
  std::vector<os::Socket> strayEsp_;
  std::unordered_set<uint16_t> ports_;
  uint16_t dataPort_ = 0;
  uint16_t strayPort_ = 0;
  std::unique_ptr<PacketSocket> dhcp_;
  std::unique_ptr<os::Netlink> news_;
  std::unique_ptr<os::Netlink> tableChanges_;
  std::unique_ptr<Control> control_;
  os::ReceiveBatch batch_;
  std::vector<uint8_t> frame_;
  pipeline::RateLimit strangers_{10};
  pipeline::RateLimit strays_{50};
  pipeline::RateLimit acquires_{50};
  struct Outcome {
    uint32_t job;
    std::string code;
    std::string message;
  };
  std::deque<Outcome> outcomes_;
  /// What came through an SA means something only to a peer that is known: after a restart these wait, and what is in them with them, until all are.
  struct Waiting {
    int descriptor;
    Source source;
    uint32_t id;
  };
  std::vector<Waiting> waiting_;
  uint64_t offloadedBefore_ = 0;
  uint64_t notOffloadedBefore_ = 0;
  std::string offloadTold_;

  std::mutex mutex_;
  std::deque<std::function<void()>> queue_;
  std::string offloadWords_;
  std::thread thread_;
};

}  // namespace gatehouse::kernel
