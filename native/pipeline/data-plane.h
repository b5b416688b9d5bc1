// The userland data plane as one object: opened, changed, asked and closed by one thread, which is Node's main thread or a test's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/control.h"
#include "pipeline/worker.h"

namespace gatehouse::pipeline {

struct DataPlaneOptions {
  /// Empty: every address of both families.
  std::vector<Address> listen;
  /// 0: any free port.
  uint16_t ikePort = 500;
  uint16_t nattPort = 4500;
  os::TunOptions tun;
  /// 0: one a core.
  uint32_t workers = 0;
  /// Empty: the best.
  std::string engine;
  /// False: as on a kernel that has none, for tests.
  bool offloads = true;
};

class DataPlane {
 public:
  /// Opens everything and starts the workers. Throws os::OpenError. `onWake` is called from workers' threads, once until the next drain().
  DataPlane(const DataPlaneOptions& options, std::function<void()> onWake);
  ~DataPlane();
  DataPlane(const DataPlane&) = delete;
  DataPlane& operator=(const DataPlane&) = delete;

  [[nodiscard]] uint16_t ikePort() const { return context_.ikePort; }
  [[nodiscard]] uint16_t nattPort() const { return context_.nattPort; }
  [[nodiscard]] const std::string& description() const { return description_; }

  std::optional<Failure> apply(std::span<const uint8_t> list);

  // Gathered until flush(), so that messages to many peers take one system call. Those to one address leave in the order of the calls.
  void sendIke(const Path& path, std::span<const uint8_t> message);
  void sendKeepalive(const Path& path);
  void sendControl(uint32_t peer, uint16_t localPort, uint16_t remotePort, std::span<const uint8_t> message);
  void sendPpp(uint32_t session, uint16_t protocol, std::span<const uint8_t> payload);
  void flush();

  /// Re-arms the wake-up, then moves events, each behind four octets of length, to `to`. `more`: some are left.
  size_t drain(std::span<uint8_t> to, bool& more);
  std::vector<uint8_t> activity() { return control_.activity(); }
  [[nodiscard]] std::vector<std::pair<std::string_view, uint64_t>> counters() const;

  /// The order of a shutdown: 1 workers are told, and joined: nothing is received or sent any more; 2 sockets and TUN are closed, with which the device
  /// goes; 3 SAs, pairs and sessions are destroyed, which wipes their keys. Afterwards all other functions do nothing. May be called twice.
  void close();

 private:
  /// What the main thread sends by: an ESP worker of its own, and the first worker's sockets.
  struct Sender;

  void openSockets(const DataPlaneOptions& options, uint32_t workers, std::vector<Sockets>& sockets);
  void describe();
  void sendPlain(const os::Socket* socket, const Path& path, std::span<const uint8_t> head,
                 std::span<const uint8_t> message);
  /// What waits for the peer outside its SAs leaves before what is put into them now.
  void keepOrder(const Peer& peer);

  Context context_;
  Control control_;
  std::vector<std::unique_ptr<Worker>> workers_;
  /// Whose events the next drain takes first: full rings of one worker's peers don't make the other workers' wait for ever.
  size_t first_ = 0;
  std::unique_ptr<Sender> sender_;
  std::string description_;
  bool steered_ = true;
};

}  // namespace gatehouse::pipeline
