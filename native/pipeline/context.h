// What all threads of one data plane share. Several data planes may live in one process: nothing here is global.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <vector>

#include "crypto/engine.h"
#include "esp/epoch.h"
#include "esp/sa-table.h"
#include "linux/sockets.h"
#include "linux/tun.h"
#include "pipeline/counters.h"
#include "pipeline/events.h"
#include "pipeline/peers.h"
#include "pipeline/tunnels.h"

namespace gatehouse::pipeline {

struct Context {
  std::unique_ptr<crypto::Engine> engine;
  esp::EpochDomain epochs;
  esp::SaTable inbound{epochs};
  Router router{epochs};
  Published<TunnelTable> tunnels;
  /// Of tunnels' pairs, in the order in which they are put into use.
  std::atomic<uint64_t> nextRank{1};
  std::unique_ptr<os::Tun> tun;
  uint16_t ikePort = 0;
  uint16_t nattPort = 0;
  std::atomic<bool> stopping{false};

  /// Wakes the main thread once until it has re-armed; from any thread.
  void wake() {
    if (!wakePending.exchange(true, std::memory_order_acq_rel)) onWake();
  }
  std::atomic<bool> wakePending{false};
  std::function<void()> onWake;
};

/// One thread's sockets, in which it receives and by which it sends.
struct Sockets {
  /// Only the first worker receives on the IKE port; everybody may send there.
  std::vector<os::Socket> ike;
  std::vector<os::Socket> natt;
  std::vector<os::Socket> esp;

  [[nodiscard]] static const os::Socket* serving(const std::vector<os::Socket>& sockets, const Address& local) {
    for (const os::Socket& socket : sockets) {
      if (socket.serves(local)) return &socket;
    }
    return nullptr;
  }
};

}  // namespace gatehouse::pipeline
