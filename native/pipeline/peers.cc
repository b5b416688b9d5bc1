#include "pipeline/peers.h"

#include <algorithm>
#include <memory>

#include "pipeline/tunnels.h"

namespace gatehouse::pipeline {

Pair::Pair(Peer& p, uint64_t n, bool udp, std::unique_ptr<esp::OutboundSa> out, std::unique_ptr<const Selector> meant)
    : peer(p), ordinal(n), encapsulated(udp), outbound(std::move(out)), selector(std::move(meant)) {}

Pair::~Pair() = default;

bool SessionConfiguration::allowsSource(const IpPacket& packet) const {
  if (anySource) return true;
  const Address source = Address::from(packet.source(), packet.addressLength());
  if (address == source || linkLocal == source) return true;
  return std::any_of(networks.begin(), networks.end(),
                     [&](const Network& network) { return network.contains(source); });
}

Session* SessionList::find(uint16_t tunnel, uint16_t session) const {
  const uint32_t ids = idsOf(tunnel, session);
  const auto place = std::lower_bound(entries.begin(), entries.end(), ids,
                                      [](const Entry& entry, uint32_t wanted) { return entry.ids < wanted; });
  return place != entries.end() && place->ids == ids ? place->session : nullptr;
}

Session* Router::find(const Address& destination) const {
  if (Session* session = hosts_.find(destination)) return session;
  if (const Lengths* lengths = lengths_.get()) {
    for (const uint8_t prefix : destination.isV4() ? lengths->v4 : lengths->v6) {
      if (Session* session = networks_.find({masked(destination, prefix), prefix})) return session;
    }
  }
  return rest_.load(std::memory_order_acquire);
}

Session* Router::holder(const Network& network) const {
  return network.host() ? hosts_.find(network.address) : networks_.find(network);
}

bool Router::insert(const Network& network, Session& session) {
  if (network.host()) return hosts_.insert(network.address, &session);
  if (!networks_.insert(network, &session)) return false;
  count(network, 1);
  return true;
}

void Router::erase(const Network& network, const Session& session) {
  if (network.host()) {
    if (hosts_.find(network.address) == &session) hosts_.erase(network.address);
  } else if (networks_.find(network) == &session) {
    networks_.erase(network);
    count(network, -1);
  }
}

void Router::count(const Network& network, int by) {
  uint32_t& used = network.address.isV4() ? used4_[network.prefix] : used6_[network.prefix];
  used += static_cast<uint32_t>(by);
  auto lengths = std::make_unique<Lengths>();
  for (int prefix = 32; prefix >= 0; prefix--) {
    if (used4_[prefix] != 0) lengths->v4.push_back(static_cast<uint8_t>(prefix));
  }
  for (int prefix = 128; prefix >= 0; prefix--) {
    if (used6_[prefix] != 0) lengths->v6.push_back(static_cast<uint8_t>(prefix));
  }
  lengths_.publish(domain_, std::move(lengths));
}

namespace {

std::vector<Network> destinations(const SessionConfiguration& configuration) {
  std::vector<Network> all = configuration.networks;
  if (configuration.address)
    all.push_back({*configuration.address, static_cast<uint8_t>(configuration.address->length * 8)});
  return all;
}

}  // namespace

bool Router::add(Session& session, const SessionConfiguration& configuration) {
  const std::vector<Network> all = destinations(configuration);
  for (size_t i = 0; i < all.size(); i++) {
    if (insert(all[i], session) || std::find(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(i), all[i]) !=
                                       all.begin() + static_cast<std::ptrdiff_t>(i))
      continue;
    while (i-- > 0) erase(all[i], session);
    return false;
  }
  // Interface ids are only unique on a link: a second session with the same one is reached by its other addresses.
  if (configuration.linkLocal) (void)hosts_.insert(*configuration.linkLocal, &session);
  if (configuration.anySource) rest_.store(&session, std::memory_order_release);
  return true;
}

void Router::remove(Session& session, const SessionConfiguration& configuration) {
  for (const Network& network : destinations(configuration)) erase(network, session);
  if (configuration.linkLocal && hosts_.find(*configuration.linkLocal) == &session)
    hosts_.erase(*configuration.linkLocal);
  Session* expected = &session;
  rest_.compare_exchange_strong(expected, nullptr, std::memory_order_acq_rel);
}

}  // namespace gatehouse::pipeline
