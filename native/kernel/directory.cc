#include "kernel/directory.h"

#include <bit>
#include <cstring>
#include <fstream>
#include <unordered_set>

#include "kernel/ruleset.h"
#include "linux/nft-elements.h"
#include "linux/rtnetlink-messages.h"
#include "linux/xfrm-messages.h"
#include "pipeline/octets.h"

namespace gatehouse::kernel {
namespace {

constexpr const char* statistics = "/proc/net/xfrm_stat";

std::unordered_map<std::string, uint64_t> readStatistics() {
  std::unordered_map<std::string, uint64_t> all;
  std::ifstream file(statistics);
  std::string name;
  uint64_t value = 0;
  while (file >> name >> value) all[name] = value;
  return all;
}

/// The kernel's names and those that the userland path has for the same.
constexpr std::pair<const char*, const char*> sameAs[] = {
    {"XfrmInNoStates", "dropUnknownSpi"},    {"XfrmInStateProtoError", "dropForged"},
    {"XfrmInStateSeqError", "dropReplayed"}, {"XfrmOutStateSeqError", "dropExhausted"},
    {"XfrmOutPolBlock", "dropNoPair"},       {"XfrmInStateMismatch", "dropSelector"},
    {"XfrmInTmplMismatch", "dropClearText"}};

uint64_t keyOf(uint32_t mark, uint32_t spi) { return static_cast<uint64_t>(mark) << 32 | spi; }

/// Numbers as doubles: what JavaScript has.
void putCount(std::vector<uint8_t>& to, uint64_t value) {
  const auto bits = std::bit_cast<uint64_t>(static_cast<double>(value));
  to.resize(to.size() + 8);
  pipeline::store32(&to[to.size() - 8], static_cast<uint32_t>(bits >> 32));
  pipeline::store32(&to[to.size() - 4], static_cast<uint32_t>(bits));
}

void putNumber(std::vector<uint8_t>& to, uint32_t value) {
  to.resize(to.size() + 4);
  pipeline::store32(&to[to.size() - 4], value);
}

}  // namespace

Directory::Directory()
    : xfrm_(NETLINK_XFRM), route_(NETLINK_ROUTE), nft_(NETLINK_NETFILTER), before_(readStatistics()) {}

void Directory::update(const Tables& tables) {
  const std::lock_guard lock(mutex_);
  std::unordered_map<uint32_t, PairEntry> pairs;
  outbound_.clear();
  for (const auto& [spi, pair] : tables.pairs) {
    const auto known = pairs_.find(spi);
    PairEntry entry = known == pairs_.end() ? PairEntry{} : known->second;
    entry.peer = pair->peer.id;
    entry.inbound = spi;
    entry.tunnel = pair->tunnel ? pair->tunnel->first : 0;
    pairs.emplace(spi, entry);
    outbound_[keyOf(pair->peer.mark(), pair->outbound.spi)] = spi;
  }
  pairs_ = std::move(pairs);
  std::erase_if(tunnels_, [&](const auto& one) { return !tables.sites.contains(one.first); });
  std::unordered_map<int, SessionEntry> sessions;
  for (const auto& [index, session] : tables.interfaces) {
    const auto known = sessions_.find(index);
    SessionEntry entry =
        known != sessions_.end() && known->second.session == session->id ? known->second : SessionEntry{};
    entry.session = session->id;
    entry.name = session->name;
    sessions.emplace(index, entry);
  }
  sessions_ = std::move(sessions);
}

std::vector<uint8_t> Directory::activity() {
  std::vector<os::xfrm::Kept> sas;
  os::Message sasAsked = os::xfrm::dumpSas();
  xfrm_.dump(sasAsked, [&](const os::Received& message) {
    if (const auto kept = os::xfrm::readSa(message); kept && (kept->reqid & markMask) == markOfOurs)
      sas.push_back(*kept);
  });
  std::vector<os::rtnetlink::Statistics> links;
  os::Message linksAsked = os::rtnetlink::dumpStatistics();
  route_.dump(linksAsked, [&](const os::Received& message) {
    if (const auto one = os::rtnetlink::readStatistics(message)) links.push_back(*one);
  });
  // Packets that a client sent from elsewhere were counted by its interface and then dropped.
  os::Message wrongAsked = os::nft::dumpElements(tableName, "wrong");
  nft_.dump(wrongAsked, [&](const os::Received& message) {
    os::nft::readElements(message, [&](const os::nft::Counted& one) {
      const std::string name(one.key.begin(), one.key.end());
      wrong_[name.c_str()] = {one.packets, one.octets};
    });
  });

  const std::lock_guard lock(mutex_);
  for (const auto& sa : sas) {
    if (sa.direction == os::xfrm::Direction::in) {
      const auto found = pairs_.find(sa.spi);
      if (found == pairs_.end()) continue;
      found->second.now[0] = sa.octets;
      found->second.now[1] = sa.packets;
      found->second.now[4] = sa.replayed;
      found->second.now[5] = sa.forged;
    } else if (const auto known = outbound_.find(keyOf(sa.reqid, sa.spi)); known != outbound_.end()) {
      auto& entry = pairs_.at(known->second);
      entry.now[2] = sa.octets;
      entry.now[3] = sa.packets;
    }
  }
  std::vector<uint8_t> records;
  std::unordered_set<uint32_t> moved;
  for (auto& [spi, entry] : pairs_) {
    if (std::memcmp(entry.now, entry.told, sizeof entry.now) == 0) continue;
    if (entry.tunnel != 0) {
      auto& sum = tunnels_[entry.tunnel];
      // An SA that moved counts from zero again.
      for (size_t i = 0; i < sum.size(); i++)
        sum[i] += entry.now[i] >= entry.told[i] ? entry.now[i] - entry.told[i] : entry.now[i];
      moved.insert(entry.tunnel);
    }
    std::memcpy(entry.told, entry.now, sizeof entry.now);
    records.push_back(1);
    putNumber(records, entry.peer);
    putNumber(records, entry.inbound);
    for (const uint64_t value : entry.now) putCount(records, value);
  }
  for (const uint32_t tunnel : moved) {
    records.push_back(3);
    putNumber(records, tunnel);
    for (const uint64_t value : tunnels_.at(tunnel)) putCount(records, value);
    // What was wrong or too large the kernel counts for nobody.
    putCount(records, 0);
    putCount(records, 0);
  }
  for (const auto& link : links) {
    const auto found = sessions_.find(link.index);
    if (found == sessions_.end()) continue;
    const auto wrong = wrong_.find(found->second.name);
    const auto [packets, octets] = wrong == wrong_.end() ? std::pair<uint64_t, uint64_t>{} : wrong->second;
    const uint64_t now[5] = {link.octetsIn - std::min(octets, link.octetsIn),
                             link.packetsIn - std::min(packets, link.packetsIn), link.octetsOut, link.packetsOut,
                             packets};
    if (std::memcmp(now, found->second.told, sizeof now) == 0) continue;
    std::memcpy(found->second.told, now, sizeof now);
    records.push_back(2);
    putNumber(records, found->second.session);
    for (const uint64_t value : now) putCount(records, value);
    // Packets too large are answered by the kernel, which counts them for nobody.
    putCount(records, 0);
  }
  return records;
}

void Directory::counters(std::vector<std::pair<std::string, uint64_t>>& to) {
  const auto now = readStatistics();
  const auto since = [&](const std::string& name) -> uint64_t {
    const auto value = now.find(name);
    const auto first = before_.find(name);
    if (value == now.end()) return 0;
    return value->second - (first == before_.end() ? 0 : std::min(first->second, value->second));
  };
  for (const auto& [kernel, ours] : sameAs) to.emplace_back(ours, since(kernel));
  for (const auto& [name, value] : now) to.emplace_back(name, since(name));
  os::Message asked = os::nft::dumpCounters(tableName);
  nft_.dump(asked, [&](const os::Received& message) {
    os::nft::readCounter(message, [&](const std::string& name, uint64_t packets) { to.emplace_back(name, packets); });
  });
}

}  // namespace gatehouse::kernel
