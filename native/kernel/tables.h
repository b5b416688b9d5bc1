// What the plane has made in the kernel, as its own thread keeps it: peers, pairs, tunnels, sessions. Nobody else looks.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "crypto/transform.h"
#include "crypto/wipe.h"
#include "linux/file.h"
#include "linux/xfrm-messages.h"
#include "pipeline/address.h"
#include "pipeline/peers.h"
#include "pipeline/rate-limit.h"

namespace gatehouse::kernel {

using pipeline::Address;
using pipeline::Endpoint;
using pipeline::Path;

/// Marks of ours: the upper octet tells them from others', the rest are the last bits of the peer's number.
constexpr uint32_t markOfOurs = 0x67000000;
constexpr uint32_t markMask = 0xFF000000;
/// Put onto what comes out of an SA that isn't L2TP's, and taken off by the table.
constexpr uint32_t markOfSites = 0x69000000;

/// Octets that are wiped when they go.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::span<const uint8_t> octets) : octets_(octets.begin(), octets.end()) {}
  Secret(Secret&&) = default;
  Secret& operator=(Secret&&) = default;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret() {
    if (!octets_.empty()) crypto::wipe(octets_.data(), octets_.size());
  }
  [[nodiscard]] std::span<const uint8_t> octets() const { return octets_; }
  [[nodiscard]] std::span<uint8_t> writable() { return octets_; }

 private:
  std::vector<uint8_t> octets_;
};

struct Peer;

/// One direction. Keys stay, since a peer that moves needs an SA under its new address.
struct Half {
  uint32_t spi = 0;
  crypto::Transform transform;
  Secret cipherKey;
  Secret integrityKey;
};

struct Pair {
  explicit Pair(Peer& p) : peer(p) {}
  Peer& peer;
  /// Pairs are numbered as they come; the highest is the newest.
  uint64_t ordinal = 0;
  Path path;
  bool encapsulated = false;
  uint16_t replayWindow = 0;
  Half inbound;
  Half outbound;
  /// The control plane or the peer has put it into use.
  bool usable = false;
  bool usedTold = false;
  bool lowTold = false;
  /// Not L2TP's: for which site, and what was agreed on; in transport mode all the same; since when it carries what leaves, among all pairs (0: it doesn't).
  std::optional<std::pair<uint32_t, pipeline::Selector>> tunnel;
  bool transport = false;
  uint64_t rank = 0;
  [[nodiscard]] uint32_t outboundMark() const;
  /// The path that was told last by `moved`.
  std::optional<Endpoint> movedTo;
};

/// What a site or rule protects, with or without a pair (the contract's tunnel; Tunnel is L2TP's).
struct Site {
  /// In the order in which they came, from 1.
  uint32_t number = 0;
  bool hold = false;
  /// Packets of hosts among themselves.
  bool transport = false;
  std::vector<pipeline::Selector> selectors;
  /// The policies that stand.
  std::vector<os::xfrm::SitePolicy> made;
};

/// An L2TP tunnel as the kernel has it: by a number of ours, which stands for the source port and the tunnel id of what comes from the peer.
struct Tunnel {
  uint16_t number = 0;
  /// The ids and ports that are seen on the wire.
  uint16_t local = 0;
  uint16_t remote = 0;
  uint16_t localPort = 0;
  uint16_t remotePort = 0;
  os::File udp;
  uint32_t sessions = 0;
};

struct Session {
  Session(uint32_t i, Peer& p) : id(i), peer(p) {}
  const uint32_t id;
  Peer& peer;
  pipeline::SessionIds local;
  pipeline::SessionIds remote;
  bool sequencing = false;
  /// Null until the peer has a pair, so that it is known where it is.
  Tunnel* tunnel = nullptr;
  os::File socket;
  os::File channel;
  os::File unit;
  int interface = 0;
  std::string name;
  uint32_t mtu = 0;
  /// What the control plane wants, and what of it stands in the kernel.
  std::optional<pipeline::SessionConfiguration> wanted;
  std::optional<pipeline::SessionConfiguration> made;
};

struct Peer {
  explicit Peer(uint32_t i) : id(i) {}
  const uint32_t id;
  [[nodiscard]] uint32_t mark() const { return markOfOurs | (id & ~markMask); }
  std::vector<std::unique_ptr<Pair>> pairs;
  /// By the tunnel id that the peer writes.
  std::map<uint16_t, std::unique_ptr<Tunnel>> tunnels;
  std::vector<std::unique_ptr<Session>> sessions;
  Pair* active = nullptr;
  struct Policy {
    Address local;
    Address remote;
    /// 0: whatever would leave is dropped.
    uint32_t spi = 0;
    bool operator==(const Policy&) const = default;
  };
  std::optional<Policy> policy;
  /// What the main thread hears of it; as in pipeline/peers.h.
  pipeline::Allowance exceptions{128, 100};
  pipeline::Allowance moves{2, 1000};

  /// The pair in use, else the newest; of L2TP's.
  [[nodiscard]] const Pair* best() const {
    if (active != nullptr) return active;
    const Pair* newest = nullptr;
    for (const auto& pair : pairs) {
      if (!pair->tunnel) newest = pair.get();
    }
    return newest;
  }
};

inline uint32_t Pair::outboundMark() const { return tunnel ? 0 : peer.mark(); }

struct Tables {
  std::unordered_map<uint32_t, std::unique_ptr<Peer>> peers;
  std::unordered_map<uint32_t, Peer*> marks;
  std::unordered_map<uint32_t, Pair*> pairs;
  std::unordered_map<uint32_t, Session*> sessions;
  std::unordered_map<uint16_t, std::pair<Peer*, Tunnel*>> numbers;
  std::unordered_map<int, Session*> interfaces;
  std::unordered_map<uint32_t, Site> sites;

  [[nodiscard]] Peer* peer(uint32_t id) const { return find(peers, id); }
  [[nodiscard]] Peer* marked(uint32_t mark) const { return find(marks, mark); }
  [[nodiscard]] Pair* pair(uint32_t spi) const { return find(pairs, spi); }
  [[nodiscard]] Session* session(uint32_t id) const { return find(sessions, id); }
  [[nodiscard]] Session* interface(int index) const { return find(interfaces, index); }

 private:
  template <typename K, typename V>
  static V* find(const std::unordered_map<K, V*>& in, K key) {
    const auto found = in.find(key);
    return found == in.end() ? nullptr : found->second;
  }
  template <typename K, typename V>
  static V* find(const std::unordered_map<K, std::unique_ptr<V>>& in, K key) {
    const auto found = in.find(key);
    return found == in.end() ? nullptr : found->second.get();
  }
};

}  // namespace gatehouse::kernel
