// Tunnel mode (RFC 4301 §5): whole IP packets in ESP between networks. A tunnel is what a site protects, whether or not there is an SA for it: without one
// its packets wait or are dropped, and never leave in clear.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "pipeline/ip-packet.h"
#include "pipeline/network.h"
#include "pipeline/peers.h"

namespace gatehouse::pipeline {

constexpr uint8_t protocolIpInIp = 4;

enum class Way : uint8_t { out, in };

/// Which packets are meant. Protocol and ports 0: any; a packet whose ports can't be seen meets no port.
struct Selector {
  Network local;
  Network remote;
  uint8_t protocol = 0;
  uint16_t localPort = 0;
  uint16_t remotePort = 0;

  bool operator==(const Selector&) const = default;
  [[nodiscard]] bool meets(const IpPacket& packet, Way way) const;
};

/// Packets that came before there was an SA, the oldest first. Any thread may put; bounded.
class Held {
 public:
  /// False, and not kept, where the room is full.
  bool put(std::vector<uint8_t> packet);
  [[nodiscard]] std::vector<std::vector<uint8_t>> take();
  /// What is asked of the oldest one; false where there is none.
  [[nodiscard]] bool first(const std::function<bool(const std::vector<uint8_t>&)>& asked);
  [[nodiscard]] bool empty() const { return octets_.load(std::memory_order_acquire) == 0; }

 private:
  // The first packets of a few connections: an SA is there in less than a second.
  static constexpr size_t mostPackets = 64;
  static constexpr size_t mostOctets = size_t{96} * 1024;

  std::mutex mutex_;
  std::vector<std::vector<uint8_t>> packets_;
  std::atomic<size_t> octets_{0};
};

struct Tunnel {
  explicit Tunnel(uint32_t i) : id(i) {}

  const uint32_t id;
  /// Packets without an SA are held and asked for, instead of dropped.
  std::atomic<bool> hold{false};
  /// The newest first.
  Published<std::vector<Pair*>> pairs;
  Held held;
  Allowance asked{2, 1000};
  SessionCounters counters;

  /// The pair that is to carry this packet, the one that was put into use last; null if there is none.
  [[nodiscard]] Pair* carrier(const IpPacket& packet) const;

  // Control thread only: what activity() last told.
  uint64_t told = 0;
};

/// What all tunnels mean, long prefixes first.
struct TunnelTable {
  struct Entry {
    Selector selector;
    Tunnel* tunnel;
  };
  std::vector<Entry> entries;

  [[nodiscard]] Tunnel* find(const IpPacket& packet) const;
};

/// TCP's and UDP's ports, source first; zeros where there are none to be seen.
std::array<uint16_t, 2> portsOf(const IpPacket& packet);

}  // namespace gatehouse::pipeline
