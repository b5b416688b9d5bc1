// Peers, their SA pairs and sessions: what the control thread builds and workers read. Pointers found inside an epoch stay valid until its end.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "esp/sa-table.h"
#include "esp/sa.h"
#include "pipeline/address.h"
#include "pipeline/fair-lock.h"
#include "pipeline/ip-packet.h"
#include "pipeline/network.h"
#include "pipeline/rate-limit.h"
#include "pipeline/shared-map.h"

namespace gatehouse::pipeline {

struct Peer;
struct Session;
struct Selector;
struct Tunnel;

/// Where a pair's packets go, and how much fits there.
struct Route {
  Path path;
  /// The most octets of ESP payload (inner UDP header and on) whose outer packet isn't fragmented.
  uint32_t largestPayload = 0;
};

/// One inbound and one outbound SA. The inbound one belongs to the SA table and points here as its owner.
struct Pair {
  Pair(Peer& p, uint64_t n, bool udp, std::unique_ptr<esp::OutboundSa> out, std::unique_ptr<const Selector> meant);
  ~Pair();
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;

  Peer& peer;
  /// Pairs are numbered as they come; the highest is the newest.
  const uint64_t ordinal;
  const bool encapsulated;
  const std::unique_ptr<esp::OutboundSa> outbound;
  /// What was agreed on. Null where L2TP alone is carried.
  const std::unique_ptr<const Selector> selector;
  /// With a selector: transport mode between the two ends, whose IP headers aren't carried. Else tunnel mode. Set before anybody sees the pair.
  bool transport = false;
  /// Whose packets it carries; null where it is L2TP's, and when the tunnel has been taken away.
  std::atomic<Tunnel*> tunnel{nullptr};
  /// Among a tunnel's pairs the greatest carries what is sent; 0: not yet put into use.
  std::atomic<uint64_t> rank{0};
  uint32_t inboundSpi = 0;
  esp::InboundSa* inbound = nullptr;
  /// The addresses that the peer sees in our inner UDP checksums, ours first; without them those of the path.
  std::optional<std::pair<Address, Address>> natOa;
  Published<Route> route;
  /// Held from giving sequence numbers to sending, so that they leave in order whoever sends.
  FairLock sending;
  /// The control plane or the peer has put it into use; it has been taken away. Under Peer::choosing.
  bool usable = false;
  bool removed = false;
  /// Which remote end was last reported as `moved`, so that it is said once. Hash of the path, 0 for none.
  std::atomic<uint64_t> movedTo{0};
  /// Events that didn't fit the ring yet.
  std::atomic<bool> usedOwed{false};
  std::atomic<bool> lowOwed{false};

  // Control thread only: what activity() last told.
  esp::Counters toldIn;
  esp::Counters toldOut;
};

struct SessionIds {
  uint16_t tunnel = 0;
  uint16_t session = 0;
  uint16_t port = 0;
};

/// What LCP and the NCPs agreed.
struct SessionConfiguration {
  bool acfc = false;
  bool pfc = false;
  bool anySource = false;
  uint32_t mtu = 0;
  std::optional<Address> address;
  std::vector<Network> networks;
  /// The link-local address of the interface id, when IPV6CP is open.
  std::optional<Address> linkLocal;

  /// Is anything open at all?
  [[nodiscard]] bool open() const {
    return anySource || address.has_value() || !networks.empty() || linkLocal.has_value();
  }
  /// May the peer send from there?
  [[nodiscard]] bool allowsSource(const IpPacket& packet) const;
};

struct SessionCounters {
  std::atomic<uint64_t> octetsIn{0};
  std::atomic<uint64_t> packetsIn{0};
  std::atomic<uint64_t> octetsOut{0};
  std::atomic<uint64_t> packetsOut{0};
  std::atomic<uint64_t> wrongSource{0};
  std::atomic<uint64_t> tooBig{0};
};

struct Session {
  Session(uint32_t i, Peer& p, SessionIds l, SessionIds r, bool numbered)
      : id(i), peer(p), local(l), remote(r), sequencing(numbered) {}

  const uint32_t id;
  Peer& peer;
  const SessionIds local;
  const SessionIds remote;
  const bool sequencing;
  std::atomic<uint16_t> nextNs{0};
  Published<SessionConfiguration> configuration;
  SessionCounters counters;

  // Control thread only: the sums that activity() last told, packets both ways and refusals.
  uint64_t told = 0;
};

/// A peer's sessions by the ids that it writes, in order: one at a client, a thousand at a site's LAC.
struct SessionList {
  struct Entry {
    uint32_t ids;
    Session* session;
  };
  std::vector<Entry> entries;

  static uint32_t idsOf(uint16_t tunnel, uint16_t session) { return static_cast<uint32_t>(tunnel) << 16 | session; }
  [[nodiscard]] Session* find(uint16_t tunnel, uint16_t session) const;
};

struct Peer {
  explicit Peer(uint32_t i) : id(i) {}

  const uint32_t id;
  /// The pair that carries what is sent; null until one is usable. Read by anybody, changed under `choosing`.
  std::atomic<Pair*> active{nullptr};
  std::mutex choosing;
  Published<SessionList> sessions;
  /// What the main thread hears of the peer: L2TP control, PPP control and DHCP (a login takes thirty), and changes of its address.
  /// In units of 1 KiB begun, since rings are bounded in octets.
  Allowance exceptions{128, 100};
  bool mayTell(uint64_t now, size_t octets) { return exceptions.take(now, static_cast<uint32_t>(octets / 1024) + 1); }
  Allowance moves{2, 1000};

  // Control thread only. They outlive what points at them: see DataPlane::apply.
  std::vector<std::unique_ptr<Pair>> pairs;
  std::vector<std::unique_ptr<Session>> owned;
};

/// Inner destinations: a hash for hosts, then networks from long prefixes to short, then the session that takes the rest.
class Router {
 public:
  explicit Router(esp::EpochDomain& domain) : domain_(domain), hosts_(domain), networks_(domain) {}

  [[nodiscard]] Session* find(const Address& destination) const;

  // Control thread only. holder(): who has exactly this one. add() is false, and changes nothing, if somebody else has one of them.
  [[nodiscard]] Session* holder(const Network& network) const;
  [[nodiscard]] bool add(Session& session, const SessionConfiguration& configuration);
  void remove(Session& session, const SessionConfiguration& configuration);

 private:
  bool insert(const Network& network, Session& session);
  void erase(const Network& network, const Session& session);
  void count(const Network& network, int by);

  esp::EpochDomain& domain_;
  SharedMap<Address, Session, AddressHash> hosts_;
  SharedMap<Network, Session, NetworkHash> networks_;
  /// Prefix lengths in use, longest first, by family; with how many networks have them.
  struct Lengths {
    std::vector<uint8_t> v4;
    std::vector<uint8_t> v6;
  };
  Published<Lengths> lengths_;
  uint32_t used4_[33] = {};
  uint32_t used6_[129] = {};
  std::atomic<Session*> rest_{nullptr};
};

}  // namespace gatehouse::pipeline
