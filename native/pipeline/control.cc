// The walk of a list: 1 decode · 2 plan: each change is checked against the tables as the changes before it would leave them, and what can fail (keys) is
// made · 3 make them, which can't fail · 4 destroy what no worker sees any more.
#include "pipeline/control.h"

#include <algorithm>
#include <bit>
#include <iterator>
#include <map>
#include <mutex>
#include <stdexcept>
#include <tuple>

#include "pipeline/octets.h"

namespace gatehouse::pipeline {
namespace {

/// Ethernet's, and the most that is believed of a path whose far parts we don't see.
constexpr uint32_t usualPathMtu = 1500;
/// RFC 791: what every IPv4 host takes. A smaller "path MTU" is somebody's mistake.
constexpr uint32_t leastPathMtu = 576;

struct Refused : std::runtime_error {
  Refused(std::string c, const std::string& message) : std::runtime_error(message), code(std::move(c)) {}
  std::string code;
};

std::string number(uint64_t value) { return std::to_string(value); }

crypto::Transform transformOf(const SaParameters& sa) {
  const auto transform = crypto::transformFromNames(sa.cipher, sa.hash, sa.esn);
  if (!transform)
    throw Refused("unknown-algorithm",
                  "no ESP transform is called '" + sa.cipher + (sa.hash.empty() ? "" : "-" + sa.hash) + "'");
  if (sa.cipherKey.size() != transform->cipherKeyLength() ||
      sa.integrityKey.size() != transform->integrityKeyLength()) {
    throw Refused("bad-key-length", crypto::nameOf(*transform) + " takes keys of " +
                                        number(transform->cipherKeyLength()) + " and " +
                                        number(transform->integrityKeyLength()) + " octets, given were " +
                                        number(sa.cipherKey.size()) + " and " + number(sa.integrityKey.size()));
  }
  return *transform;
}

std::vector<Network> networksOf(const SessionConfiguration& configuration) {
  std::vector<Network> all = configuration.networks;
  if (configuration.address)
    all.push_back({*configuration.address, static_cast<uint8_t>(configuration.address->length * 8)});
  return all;
}

}  // namespace

/// The tables as they would be: what the list has changed so far lies over what is there.
class Control::Plan {
 public:
  explicit Plan(Control& control) : control_(control) {}

  /// Inbound and outbound keys of each AddPair, in order.
  std::vector<Keys> keys;

  void check(const AddPeer& command) {
    if (hasPeer(command.peer)) throw Refused("peer-exists", "peer " + number(command.peer) + " exists already");
    peers_[command.peer] = true;
  }

  void check(const RemovePeer& command) {
    need(command.peer);
    for (const auto& [spi, owner] : pairsOf(command.peer)) pairs_[spi] = std::nullopt;
    for (const uint32_t session : sessionsOf(command.peer)) removeSession(session);
    peers_[command.peer] = false;
  }

  void check(const AddPair& command) {
    need(command.peer);
    if (command.inbound.spi < 256 || command.outbound.spi < 256)
      throw Refused("bad-spi", "SPIs below 256 are reserved (RFC 4303 §2.1)");
    if (command.replayWindow < esp::minimumReplayWindow || command.replayWindow > esp::maximumReplayWindow) {
      throw Refused("bad-window", "a replay window has 32 to 4096 packets, not " + number(command.replayWindow));
    }
    if (ownerOf(command.inbound.spi))
      throw Refused("spi-in-use", "inbound SPI " + number(command.inbound.spi) + " is in use");
    const crypto::Transform in = transformOf(command.inbound);
    const crypto::Transform out = transformOf(command.outbound);
    const crypto::Engine& engine = *control_.context_.engine;
    try {
      Keys made{engine.expand(in, crypto::Direction::open, command.inbound.cipherKey, command.inbound.integrityKey),
                engine.expand(out, crypto::Direction::seal, command.outbound.cipherKey, command.outbound.integrityKey),
                nullptr, nullptr};
      const auto otherIn = crypto::otherTruncation(in);
      const auto otherOut = crypto::otherTruncation(out);
      if (otherIn && otherOut && engine.supports(*otherIn) && engine.supports(*otherOut)) {
        made.otherInbound =
            engine.expand(*otherIn, crypto::Direction::open, command.inbound.cipherKey, command.inbound.integrityKey);
        made.otherOutbound = engine.expand(*otherOut, crypto::Direction::seal, command.outbound.cipherKey,
                                           command.outbound.integrityKey);
      }
      keys.push_back(std::move(made));
    } catch (const std::invalid_argument& error) {
      throw Refused("unsupported-algorithm", error.what());
    }
    if (command.tunnel && !hasTunnel(command.tunnel->first))
      throw Refused("no-such-tunnel", "there is no tunnel " + number(command.tunnel->first));
    pairs_[command.inbound.spi] = command.peer;
  }

  void check(const UseOutbound& command) { needPair(command.peer, command.inboundSpi); }

  void check(const RemovePair& command) {
    needPair(command.peer, command.inboundSpi);
    pairs_[command.inboundSpi] = std::nullopt;
  }

  void check(const Move& command) { need(command.peer); }

  void check(const AddSession& command) {
    need(command.peer);
    if (peerOf(command.session))
      throw Refused("session-exists", "session " + number(command.session) + " exists already");
    for (const uint32_t other : sessionsOf(command.peer)) {
      const auto ids = idsOf(other);
      if (ids.tunnel == command.local.tunnel && ids.session == command.local.session) {
        throw Refused("ids-in-use", "peer " + number(command.peer) + " has a session with tunnel id " +
                                        number(ids.tunnel) + " and session id " + number(ids.session));
      }
    }
    sessions_[command.session] = Planned{command.peer, command.local, {}};
  }

  void check(const ConfigureSession& command) {
    needSession(command.session);
    releaseNetworks(command.session);
    const std::vector<Network> wanted = networksOf(command.configuration);
    for (const Network& network : wanted) {
      const auto holder = holderOf(network);
      if (holder && *holder != command.session)
        throw Refused("address-in-use", "an address or network of session " + number(command.session) +
                                            " belongs to session " + number(*holder));
      networks_[key(network)] = command.session;
    }
    configured_[command.session] = wanted;
  }

  void check(const RemoveSession& command) {
    needSession(command.session);
    removeSession(command.session);
  }

  void check(const SetTunnel& command) {
    if (command.selectors.empty()) throw Refused("no-selector", "a tunnel of nothing");
    tunnels_[command.tunnel] = true;
  }

  void check(const RemoveTunnel& command) {
    if (!hasTunnel(command.tunnel)) throw Refused("no-such-tunnel", "there is no tunnel " + number(command.tunnel));
    tunnels_[command.tunnel] = false;
  }

 private:
  struct Planned {
    uint32_t peer;
    SessionIds local;
    std::vector<Network> networks;
  };
  using NetworkKey = std::tuple<uint8_t, std::array<uint8_t, 16>, uint8_t>;

  static NetworkKey key(const Network& network) {
    return {network.address.length, network.address.octets, network.prefix};
  }

  [[nodiscard]] bool hasPeer(uint32_t id) const {
    const auto planned = peers_.find(id);
    return planned != peers_.end() ? planned->second : control_.peer(id) != nullptr;
  }
  void need(uint32_t peer) const {
    if (!hasPeer(peer)) throw Refused("no-such-peer", "there is no peer " + number(peer));
  }

  [[nodiscard]] std::optional<uint32_t> ownerOf(uint32_t spi) const {
    if (const auto planned = pairs_.find(spi); planned != pairs_.end()) return planned->second;
    const esp::InboundSa* sa = control_.context_.inbound.find(spi);
    return sa == nullptr ? std::nullopt : std::optional(static_cast<Pair*>(sa->owner())->peer.id);
  }
  [[nodiscard]] std::map<uint32_t, uint32_t> pairsOf(uint32_t peer) const {
    std::map<uint32_t, uint32_t> all;
    if (const Peer* live = control_.peer(peer)) {
      for (const auto& pair : live->pairs) {
        if (!pairs_.contains(pair->inboundSpi)) all[pair->inboundSpi] = peer;
      }
    }
    for (const auto& [spi, owner] : pairs_) {
      if (owner == peer) all[spi] = peer;
    }
    return all;
  }
  void needPair(uint32_t peer, uint32_t spi) const {
    need(peer);
    if (ownerOf(spi) != peer)
      throw Refused("no-such-pair", "peer " + number(peer) + " has no pair with inbound SPI " + number(spi));
  }

  [[nodiscard]] std::optional<uint32_t> peerOf(uint32_t session) const {
    if (const auto planned = sessions_.find(session); planned != sessions_.end())
      return planned->second ? std::optional(planned->second->peer) : std::nullopt;
    const Session* live = control_.session(session);
    return live == nullptr ? std::nullopt : std::optional(live->peer.id);
  }
  [[nodiscard]] SessionIds idsOf(uint32_t session) const {
    if (const auto planned = sessions_.find(session); planned != sessions_.end() && planned->second)
      return planned->second->local;
    return control_.session(session)->local;
  }
  [[nodiscard]] std::vector<uint32_t> sessionsOf(uint32_t peer) const {
    std::vector<uint32_t> all;
    if (const Peer* live = control_.peer(peer)) {
      for (const auto& session : live->owned) {
        if (!sessions_.contains(session->id)) all.push_back(session->id);
      }
    }
    for (const auto& [id, planned] : sessions_) {
      if (planned && planned->peer == peer) all.push_back(id);
    }
    return all;
  }
  void needSession(uint32_t session) const {
    if (!peerOf(session)) throw Refused("no-such-session", "there is no session " + number(session));
  }
  void removeSession(uint32_t session) {
    releaseNetworks(session);
    sessions_[session] = std::nullopt;
  }

  [[nodiscard]] std::optional<uint32_t> holderOf(const Network& network) const {
    if (const auto planned = networks_.find(key(network)); planned != networks_.end()) return planned->second;
    const Session* live = control_.context_.router.holder(network);
    return live == nullptr ? std::nullopt : std::optional(live->id);
  }
  void releaseNetworks(uint32_t session) {
    if (const auto planned = configured_.find(session); planned != configured_.end()) {
      for (const Network& network : planned->second) networks_[key(network)] = std::nullopt;
      return;
    }
    const Session* live = control_.session(session);
    const SessionConfiguration* configuration = live == nullptr ? nullptr : live->configuration.get();
    if (configuration == nullptr) return;
    for (const Network& network : networksOf(*configuration)) networks_[key(network)] = std::nullopt;
    configured_[session] = {};
  }

  [[nodiscard]] bool hasTunnel(uint32_t id) const {
    const auto planned = tunnels_.find(id);
    return planned != tunnels_.end() ? planned->second : control_.tunnels_.contains(id);
  }

  Control& control_;
  std::map<uint32_t, bool> tunnels_;
  std::map<uint32_t, bool> peers_;
  std::map<uint32_t, std::optional<uint32_t>> pairs_;
  std::map<uint32_t, std::optional<Planned>> sessions_;
  std::map<NetworkKey, std::optional<uint32_t>> networks_;
  std::map<uint32_t, std::vector<Network>> configured_;
};

std::optional<Failure> Control::apply(std::span<const uint8_t> list) {
  auto commands = decodeCommands(list);
  if (!commands) return Failure{"bad-list", "the list of changes is broken"};
  Plan plan(*this);
  try {
    for (const Command& command : *commands) std::visit([&](const auto& one) { plan.check(one); }, command);
  } catch (const Refused& refused) {
    return Failure{refused.code, refused.what()};
  }
  size_t pairs = 0;
  for (Command& command : *commands) {
    if (auto* add = std::get_if<AddPair>(&command)) {
      make(*add, plan.keys[pairs++]);
    } else {
      std::visit(
          [&](auto& one) {
            if constexpr (!std::is_same_v<std::decay_t<decltype(one)>, AddPair>) make(one);
          },
          command);
    }
  }
  context_.epochs.collect();
  return std::nullopt;
}

void Control::clear() {
  while (!peers_.empty()) make(RemovePeer{peers_.begin()->first});
  while (!tunnels_.empty()) make(RemoveTunnel{tunnels_.begin()->first});
  context_.epochs.synchronize();
}

Peer* Control::peer(uint32_t id) const {
  const auto found = peers_.find(id);
  return found == peers_.end() ? nullptr : found->second.get();
}

Session* Control::session(uint32_t id) const {
  const auto found = sessions_.find(id);
  return found == sessions_.end() ? nullptr : found->second;
}

void Control::make(const AddPeer& command) { peers_[command.peer] = std::make_unique<Peer>(command.peer); }

void Control::make(const RemovePeer& command) {
  std::unique_ptr<Peer> gone = std::move(peers_[command.peer]);
  peers_.erase(command.peer);
  for (const auto& session : gone->owned) unlink(*session);
  for (const auto& pair : gone->pairs) {
    context_.inbound.remove(pair->inboundSpi);
    if (Tunnel* tunnel = pair->tunnel.load(std::memory_order_relaxed)) publishPairs(*tunnel, pair.get(), nullptr);
  }
  gone->active.store(nullptr, std::memory_order_release);
  context_.epochs.retire(std::move(gone));
}

void Control::make(const AddPair& command, Keys& keys) {
  Peer& owner = *peer(command.peer);
  auto outbound = std::make_unique<esp::OutboundSa>(command.outbound.spi, std::move(keys.outbound), nullptr, 0,
                                                    std::move(keys.otherOutbound));
  auto selector = command.tunnel ? std::make_unique<const Selector>(command.tunnel->second) : nullptr;
  owner.pairs.push_back(
      std::make_unique<Pair>(owner, nextOrdinal_++, command.encapsulated, std::move(outbound), std::move(selector)));
  Pair& live = *owner.pairs.back();
  auto inbound = std::make_unique<esp::InboundSa>(command.inbound.spi, std::move(keys.inbound), command.replayWindow,
                                                  &live, std::move(keys.otherInbound));
  live.inboundSpi = command.inbound.spi;
  live.inbound = inbound.get();
  live.natOa = command.natOa;
  live.transport = command.transport;
  live.route.publish(context_.epochs, routeOf(live, command.path));
  if (command.tunnel) {
    Tunnel& tunnel = *tunnels_.at(command.tunnel->first).tunnel;
    live.tunnel.store(&tunnel, std::memory_order_release);
    publishPairs(tunnel, nullptr, &live);
  }
  if (!context_.inbound.add(inbound)) throw std::logic_error("an SPI that was free is taken");
  if (command.use) use(live);
}

void Control::use(Pair& pair) {
  const std::lock_guard lock(pair.peer.choosing);
  pair.usable = true;
  if (pair.selector) {
    pair.rank.store(context_.nextRank.fetch_add(1, std::memory_order_relaxed), std::memory_order_release);
    return;
  }
  pair.peer.active.store(&pair, std::memory_order_release);
}

void Control::make(const UseOutbound& command) { use(*find(*peer(command.peer), command.inboundSpi)); }

void Control::make(const RemovePair& command) {
  Peer& owner = *peer(command.peer);
  const auto place = std::find_if(owner.pairs.begin(), owner.pairs.end(),
                                  [&](const auto& pair) { return pair->inboundSpi == command.inboundSpi; });
  std::unique_ptr<Pair> gone = std::move(*place);
  owner.pairs.erase(place);
  context_.inbound.remove(command.inboundSpi);
  if (Tunnel* tunnel = gone->tunnel.load(std::memory_order_relaxed)) publishPairs(*tunnel, gone.get(), nullptr);
  {
    const std::lock_guard lock(owner.choosing);
    gone->removed = true;
    // The newest of the rest that the peer is known to have takes over.
    Pair* successor = nullptr;
    for (const auto& pair : owner.pairs) {
      if (pair->usable && !pair->selector && (successor == nullptr || pair->ordinal > successor->ordinal))
        successor = pair.get();
    }
    if (owner.active.load(std::memory_order_relaxed) == gone.get())
      owner.active.store(successor, std::memory_order_release);
  }
  context_.epochs.retire(std::move(gone));
}

void Control::make(const Move& command) {
  for (const auto& pair : peer(command.peer)->pairs) {
    pair->route.publish(context_.epochs, routeOf(*pair, command.path));
    pair->movedTo.store(0, std::memory_order_relaxed);
  }
}

void Control::make(const AddSession& command) {
  Peer& owner = *peer(command.peer);
  owner.owned.push_back(
      std::make_unique<Session>(command.session, owner, command.local, command.remote, command.sequencing));
  sessions_[command.session] = owner.owned.back().get();
  publishSessions(owner);
}

void Control::make(const ConfigureSession& command) {
  Session& live = *session(command.session);
  if (const SessionConfiguration* before = live.configuration.get()) context_.router.remove(live, *before);
  live.configuration.publish(context_.epochs, std::make_unique<const SessionConfiguration>(command.configuration));
  if (!context_.router.add(live, command.configuration))
    throw std::logic_error("an inner address that was free is taken");
}

void Control::make(const RemoveSession& command) {
  Session& live = *session(command.session);
  Peer& owner = live.peer;
  unlink(live);
  const auto place =
      std::find_if(owner.owned.begin(), owner.owned.end(), [&](const auto& one) { return one.get() == &live; });
  std::unique_ptr<Session> gone = std::move(*place);
  owner.owned.erase(place);
  publishSessions(owner);
  context_.epochs.retire(std::move(gone));
}

void Control::make(const SetTunnel& command) {
  Site& site = tunnels_[command.tunnel];
  if (!site.tunnel) site.tunnel = std::make_unique<Tunnel>(command.tunnel);
  site.tunnel->hold.store(command.hold, std::memory_order_relaxed);
  site.selectors = command.selectors;
  publishTunnels();
}

void Control::make(const RemoveTunnel& command) {
  std::unique_ptr<Tunnel> gone = std::move(tunnels_.at(command.tunnel).tunnel);
  tunnels_.erase(command.tunnel);
  publishTunnels();
  for (const auto& [id, peer] : peers_) {
    for (const auto& pair : peer->pairs) {
      Tunnel* expected = gone.get();
      pair->tunnel.compare_exchange_strong(expected, nullptr, std::memory_order_acq_rel);
    }
  }
  context_.epochs.retire(std::move(gone));
}

// The most exact first: the sum of the prefixes.
void Control::publishTunnels() {
  auto table = std::make_unique<TunnelTable>();
  for (const auto& [id, site] : tunnels_) {
    for (const Selector& selector : site.selectors) table->entries.push_back({selector, site.tunnel.get()});
  }
  const auto exactness = [](const TunnelTable::Entry& entry) {
    const Selector& one = entry.selector;
    return one.local.prefix + one.remote.prefix + (one.protocol != 0 ? 1 : 0) + (one.localPort != 0 ? 1 : 0) +
           (one.remotePort != 0 ? 1 : 0);
  };
  std::stable_sort(table->entries.begin(), table->entries.end(),
                   [&](const auto& a, const auto& b) { return exactness(a) > exactness(b); });
  context_.tunnels.publish(context_.epochs, std::move(table));
}

void Control::publishPairs(Tunnel& tunnel, const Pair* without, Pair* with) {
  auto all = std::make_unique<std::vector<Pair*>>();
  if (with != nullptr) all->push_back(with);
  if (const auto* before = tunnel.pairs.get()) {
    std::copy_if(before->begin(), before->end(), std::back_inserter(*all),
                 [&](const Pair* pair) { return pair != without; });
  }
  tunnel.pairs.publish(context_.epochs, std::move(all));
}

void Control::release(const std::function<void(std::vector<uint8_t>& packet)>& send) {
  for (const auto& [id, site] : tunnels_) {
    const auto* pairs = site.tunnel->pairs.get();
    const bool carried = pairs != nullptr && std::any_of(pairs->begin(), pairs->end(), [](const Pair* pair) {
                           return pair->rank.load(std::memory_order_acquire) != 0;
                         });
    if (site.tunnel->held.empty()) continue;
    // Or a session has their destination by now.
    const auto routed = [&](const std::vector<uint8_t>& octets) {
      std::vector<uint8_t> copy = octets;
      IpPacket packet;
      return parseIp(copy.data(), copy.size(), packet) &&
             context_.router.find(Address::from(packet.destination(), packet.addressLength())) != nullptr;
    };
    if (!carried && !site.tunnel->held.first(routed)) continue;
    for (std::vector<uint8_t>& packet : site.tunnel->held.take()) send(packet);
  }
}

// Takes the session out of the router and the index; the peer's list is the caller's business.
void Control::unlink(Session& session) {
  if (const SessionConfiguration* configuration = session.configuration.get())
    context_.router.remove(session, *configuration);
  sessions_.erase(session.id);
}

void Control::publishSessions(Peer& peer) {
  auto list = std::make_unique<SessionList>();
  for (const auto& session : peer.owned) {
    list->entries.push_back({SessionList::idsOf(session->local.tunnel, session->local.session), session.get()});
  }
  std::sort(list->entries.begin(), list->entries.end(), [](const auto& a, const auto& b) { return a.ids < b.ids; });
  peer.sessions.publish(context_.epochs, std::move(list));
}

std::unique_ptr<const Route> Control::routeOf(const Pair& pair, const Path& path) const {
  auto route = std::make_unique<Route>();
  route->path = path;
  const uint32_t known = routeMtu_(path);
  const uint32_t mtu = known == 0 ? usualPathMtu : std::clamp(known, leastPathMtu, usualPathMtu);
  const uint32_t outer = (path.remote.address.isV4() ? 20U : 40U) + (pair.encapsulated ? 8U : 0U);
  route->largestPayload = static_cast<uint32_t>(pair.outbound->largestPayload(mtu - outer));
  return route;
}

Pair* Control::find(const Peer& peer, uint32_t inboundSpi) {
  for (const auto& pair : peer.pairs) {
    if (pair->inboundSpi == inboundSpi) return pair.get();
  }
  return nullptr;
}

namespace {

/// Numbers as doubles: what JavaScript has.
class Records {
 public:
  explicit Records(std::vector<uint8_t>& octets) : octets_(octets) {}
  Records& u8(uint8_t value) {
    octets_.push_back(value);
    return *this;
  }
  Records& u32(uint32_t value) {
    octets_.resize(octets_.size() + 4);
    store32(&octets_[octets_.size() - 4], value);
    return *this;
  }
  Records& count(uint64_t value) {
    const auto bits = std::bit_cast<uint64_t>(static_cast<double>(value));
    return u32(static_cast<uint32_t>(bits >> 32)).u32(static_cast<uint32_t>(bits));
  }

 private:
  std::vector<uint8_t>& octets_;
};

}  // namespace

std::vector<uint8_t> Control::activity() {
  // What a busy worker still saw when it was taken away: keys are wiped at the latest now.
  context_.epochs.collect();
  std::vector<uint8_t> octets;
  Records records(octets);
  for (const auto& [id, peer] : peers_) {
    for (const auto& pair : peer->pairs) {
      const esp::Counters in = pair->inbound->counters();
      const esp::Counters out = pair->outbound->counters();
      if (in == pair->toldIn && out == pair->toldOut) continue;
      pair->toldIn = in;
      pair->toldOut = out;
      records.u8(1)
          .u32(id)
          .u32(pair->inboundSpi)
          .count(in.octets)
          .count(in.packets)
          .count(out.octets)
          .count(out.packets)
          .count(in.replayed)
          .count(in.forged);
    }
    for (const auto& session : peer->owned) {
      const SessionCounters& now = session->counters;
      const uint64_t in = now.packetsIn.load(std::memory_order_relaxed);
      const uint64_t out = now.packetsOut.load(std::memory_order_relaxed);
      const uint64_t wrong = now.wrongSource.load(std::memory_order_relaxed);
      const uint64_t big = now.tooBig.load(std::memory_order_relaxed);
      if (in + out + wrong + big == session->told) continue;
      session->told = in + out + wrong + big;
      records.u8(2)
          .u32(session->id)
          .count(now.octetsIn.load(std::memory_order_relaxed))
          .count(in)
          .count(now.octetsOut.load(std::memory_order_relaxed))
          .count(out)
          .count(wrong)
          .count(big);
    }
  }
  for (const auto& [id, site] : tunnels_) {
    const SessionCounters& now = site.tunnel->counters;
    const uint64_t in = now.packetsIn.load(std::memory_order_relaxed);
    const uint64_t out = now.packetsOut.load(std::memory_order_relaxed);
    const uint64_t wrong = now.wrongSource.load(std::memory_order_relaxed);
    const uint64_t big = now.tooBig.load(std::memory_order_relaxed);
    if (in + out + wrong + big == site.tunnel->told) continue;
    site.tunnel->told = in + out + wrong + big;
    records.u8(3)
        .u32(id)
        .count(now.octetsIn.load(std::memory_order_relaxed))
        .count(in)
        .count(now.octetsOut.load(std::memory_order_relaxed))
        .count(out)
        .count(wrong)
        .count(big);
  }
  return octets;
}

}  // namespace gatehouse::pipeline
