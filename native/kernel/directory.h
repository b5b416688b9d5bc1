// What the main thread needs to know of pairs and interfaces to read counters by itself, without waiting for the plane's thread.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "kernel/tables.h"
#include "linux/netlink-socket.h"

namespace gatehouse::kernel {

class Directory {
 public:
  Directory();
  /// By the plane's thread, after every list.
  void update(const Tables& tables);

  /// Records of what changed since the last call, as pipeline/control.cc writes them.
  std::vector<uint8_t> activity();
  /// /proc/net/xfrm_stat since the plane was opened, and the table's counters.
  void counters(std::vector<std::pair<std::string, uint64_t>>& to);

 private:
  struct PairEntry {
    uint32_t peer = 0;
    uint32_t inbound = 0;
    /// 0: transport mode.
    uint32_t tunnel = 0;
    /// Packets and octets in and out, replayed, forged.
    uint64_t now[6] = {};
    uint64_t told[6] = {};
  };
  struct SessionEntry {
    uint32_t session = 0;
    std::string name;
    uint64_t told[5] = {};
  };

  std::mutex mutex_;
  /// By inbound SPI; and (mark, outbound SPI) to it.
  std::unordered_map<uint32_t, PairEntry> pairs_;
  std::unordered_map<uint64_t, uint32_t> outbound_;
  std::unordered_map<int, SessionEntry> sessions_;
  /// Octets and packets in and out by tunnel, of pairs that are gone as well; those that there is news of.
  std::unordered_map<uint32_t, std::array<uint64_t, 4>> tunnels_;

  // Main thread only.
  os::Netlink xfrm_;
  os::Netlink route_;
  os::Netlink nft_;
  std::unordered_map<std::string, uint64_t> before_;
  std::unordered_map<std::string, std::pair<uint64_t, uint64_t>> wrong_;
};

}  // namespace gatehouse::kernel
