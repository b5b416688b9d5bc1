// The part of Control for what sites and rules protect, as XFRM policies. What leaves goes through the pair in use, or waits and asks, or is dropped. For networks
// (tunnel mode) two more stand for each selector: what comes in or is forwarded from there must have come out of an SA in tunnel mode, and of one that means it:
// the SA's own selector sees to that. For hosts among themselves (transport mode) what comes in is the packet filter's business.
#include <algorithm>
#include <iterator>

#include "kernel/control.h"

namespace gatehouse::kernel {
namespace {

using os::xfrm::SitePolicy;
using Action = SitePolicy::Action;
using Way = SitePolicy::Way;

constexpr uint8_t udp = 17;
/// Of an SA that is asked for. Beside peers' marks, which are the numbers of SAs that are.
constexpr uint32_t askedFor = 0x69000000;

SitePolicy* sameMeaning(std::vector<SitePolicy>& among, const SitePolicy& one) {
  const auto found = std::find_if(among.begin(), among.end(), [&](const SitePolicy& other) {
    return other.way == one.way && other.selector == one.selector;
  });
  return found == among.end() ? nullptr : &*found;
}

void add(std::vector<SitePolicy>& to, const SitePolicy& policy) {
  if (SitePolicy* same = sameMeaning(to, policy)) {
    *same = policy;
  } else {
    to.push_back(policy);
  }
}

SitePolicy policyOf(const pipeline::Selector& selector, Way way, Action action) {
  SitePolicy policy;
  policy.selector = selector;
  policy.way = way;
  policy.action = action;
  return policy;
}

void addArrivals(std::vector<SitePolicy>& to, const pipeline::Selector& selector) {
  for (const Way way : {Way::in, Way::forward}) add(to, policyOf(selector, way, Action::protect));
}

}  // namespace

void Control::make(const pipeline::SetTunnel& command) {
  if (command.selectors.empty())
    throw Refused{"no-selector", "tunnel " + std::to_string(command.tunnel) + " means no packet"};
  bury();
  const auto found = tables_.sites.find(command.tunnel);
  if (found == tables_.sites.end()) {
    undo([this, id = command.tunnel] {
      const std::vector<SitePolicy> made = std::move(tables_.sites.at(id).made);
      tables_.sites.erase(id);
      removePolicies(made);
      letIkePass();
    });
  } else {
    undo([this, id = command.tunnel, before = found->second] {
      Site& site = tables_.sites.at(id);
      site.hold = before.hold;
      site.transport = before.transport;
      site.selectors = before.selectors;
      refreshSite(id);
      letIkePass();
    });
  }
  Site& site = siteFor(command.tunnel);
  site.hold = command.hold;
  site.transport = command.transport;
  site.selectors = command.selectors;
  letIkePass();
  refreshSite(command.tunnel);
}

// Its pairs carry nothing any more: their SAs go with it, though the peer keeps them until it is told.
void Control::make(const pipeline::RemoveTunnel& command) {
  const auto found = tables_.sites.find(command.tunnel);
  if (found == tables_.sites.end())
    throw Refused{"no-such-tunnel", "there is no tunnel " + std::to_string(command.tunnel)};
  const Site before = found->second;
  tables_.sites.erase(found);
  graves_.emplace_back([this, id = command.tunnel, before] {
    removePolicies(before.made);
    for (const auto& [spi, pair] : tables_.pairs) {
      if (pair->tunnel && pair->tunnel->first == id) removeSas(*pair);
    }
    letIkePass();
  });
  undo([this, id = command.tunnel, before] { tables_.sites[id] = before; });
}

Site& Control::siteFor(uint32_t id) {
  Site& site = tables_.sites[id];
  if (site.number == 0) site.number = ++lastSite_;
  return site;
}

// But those that another has put in their place meanwhile: a site whose entry changed comes before the former one goes.
void Control::removePolicies(const std::vector<SitePolicy>& policies) {
  for (const SitePolicy& policy : policies) {
    const bool anothers = std::any_of(tables_.sites.begin(), tables_.sites.end(),
                                      [&](auto& entry) { return sameMeaning(entry.second.made, policy) != nullptr; });
    if (anothers) continue;
    os::Message message = os::xfrm::removeSitePolicy(policy.selector, policy.way);
    xfrm_.request(message);
  }
}

std::vector<SitePolicy> Control::policiesOf(uint32_t id, const Site& site) const {
  std::vector<SitePolicy> all;
  for (size_t i = 0; i < site.selectors.size(); i++) {
    SitePolicy policy = policyOf(site.selectors[i], Way::out, site.hold ? Action::ask : Action::block);
    policy.transport = site.transport;
    if (site.hold) policy.reqid = askedFor | ((site.number * 256 + static_cast<uint32_t>(i)) & ~markMask);
    add(all, policy);
    if (!site.transport) addArrivals(all, site.selectors[i]);
  }
  std::vector<const Pair*> carrying;
  for (const auto& [spi, pair] : tables_.pairs) {
    if (pair->tunnel && pair->tunnel->first == id && pair->rank != 0) carrying.push_back(pair);
  }
  std::sort(carrying.begin(), carrying.end(), [](const Pair* a, const Pair* b) { return a->rank < b->rank; });
  for (const Pair* pair : carrying) {
    SitePolicy policy = policyOf(pair->tunnel->second, Way::out, Action::protect);
    policy.transport = pair->transport;
    policy.local = pair->path.local.address;
    policy.remote = pair->path.remote.address;
    policy.spi = pair->outbound.spi;
    policy.reqid = pair->peer.mark();
    add(all, policy);
    // After a restart pairs are known again before it is known what the whole site protects.
    if (site.selectors.empty() && !pair->transport) addArrivals(all, pair->tunnel->second);
  }
  return all;
}

// What is new stands before what is old goes.
void Control::refreshSite(uint32_t id) {
  const auto found = tables_.sites.find(id);
  if (found != tables_.sites.end())
    standInstead(found->second.made, policiesOf(id, found->second), "a policy of tunnel " + std::to_string(id));
}

void Control::standInstead(std::vector<SitePolicy>& made, std::vector<SitePolicy> wanted, const std::string& what) {
  for (const SitePolicy& policy : wanted) {
    SitePolicy* standing = sameMeaning(made, policy);
    if (standing != nullptr && *standing == policy) continue;
    os::Message message = os::xfrm::setSitePolicy(policy);
    must(xfrm_.request(message), "kernel", "cannot set " + what);
    remains_.claim(policy);
    if (standing != nullptr) {
      *standing = policy;
    } else {
      made.push_back(policy);
    }
  }
  std::vector<SitePolicy> gone;
  std::copy_if(made.begin(), made.end(), std::back_inserter(gone),
               [&](const SitePolicy& policy) { return sameMeaning(wanted, policy) == nullptr; });
  std::erase_if(made, [&](const SitePolicy& policy) { return sameMeaning(gone, policy) != nullptr; });
  removePolicies(gone);
}

void Control::refreshSites(const Peer& peer) {
  for (const auto& pair : peer.pairs) {
    if (pair->tunnel) refreshSite(pair->tunnel->first);
  }
}

// Where hosts are protected from each other, what IKE says to them still leaves as it is.
void Control::letIkePass() {
  const bool wanted =
      std::any_of(tables_.sites.begin(), tables_.sites.end(), [](const auto& entry) { return entry.second.transport; });
  std::vector<SitePolicy> pass;
  for (const uint16_t port : {options_.ikePort, options_.nattPort}) {
    const uint8_t zeros[4] = {};
    const pipeline::Network everybody{Address::from(zeros, sizeof zeros), 0};
    if (wanted && port != 0) add(pass, policyOf({everybody, everybody, udp, port, 0}, Way::out, Action::pass));
  }
  standInstead(ikePasses_, std::move(pass), "the policy for IKE");
}

void Control::useSitePair(Pair& pair) {
  undo([this, &pair, rank = pair.rank] {
    pair.rank = rank;
    refreshSite(pair.tunnel->first);
  });
  pair.rank = nextRank_++;
  pair.usable = true;
  refreshSite(pair.tunnel->first);
}

}  // namespace gatehouse::kernel
