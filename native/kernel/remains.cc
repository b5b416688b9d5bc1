#include "kernel/remains.h"

#include <algorithm>
#include <system_error>
#include <vector>

#include "kernel/ruleset.h"
#include "linux/nft-elements.h"
#include "linux/open-error.h"
#include "pipeline/octets.h"

namespace gatehouse::kernel {

Keeper::Keeper(const std::string& where) {
  if (where.empty()) return;
  try {
    holder_ = holder::openHolder(where);
    for (holder::Held& one : holder_->list()) {
      if (one.name != holder::journalKey) held_.emplace(one.name, std::move(one.file));
    }
  } catch (const std::system_error& error) {
    throw os::OpenError(error.code().value(), "the holder of descriptors (" + where + ")", "cannot reach");
  }
}

void Keeper::hold(const std::string& name, const os::File& file) {
  if (!holder_) return;
  try {
    holder_->put(name, file.get());
  } catch (const std::system_error& error) {
    trouble_ = error.what();
    holder_.reset();
  }
}

void Keeper::drop(const std::string& name) {
  if (!holder_) return;
  try {
    holder_->remove(name);
  } catch (const std::system_error& error) {
    trouble_ = error.what();
    holder_.reset();
  }
}

os::File Keeper::take(const std::string& name) {
  const auto found = held_.find(name);
  if (found == held_.end()) return {};
  os::File file = std::move(found->second);
  held_.erase(found);
  return file;
}

void Keeper::forget() {
  for (const auto& [name, file] : std::exchange(held_, {})) drop(name);
}

void Remains::read(os::Netlink& xfrm, os::Netlink& nft) {
  os::Message sas = os::xfrm::dumpSas();
  xfrm.dump(sas, [&](const os::Received& message) {
    const auto kept = os::xfrm::readSa(message);
    if (kept && (kept->reqid & markMask) == markOfOurs) sas_[{kept->direction, kept->spi, kept->reqid}] = *kept;
  });
  os::Message policies = os::xfrm::dumpPolicies();
  xfrm.dump(policies, [&](const os::Received& message) {
    const auto kept = os::xfrm::readPolicy(message);
    if (kept && (kept->mark & markMask) == markOfOurs) policies_[kept->mark] = *kept;
    if (const auto site = os::xfrm::readSitePolicy(message)) sites_.push_back(*site);
  });
  os::Message tunnels = os::nft::dumpElements(tableName, "numbers");
  nft.dump(tunnels, [&](const os::Received& message) {
    os::nft::readElements(message, [&](const os::nft::Counted& one) {
      if (one.key.size() < 6 || one.value.size() < 2) return;
      const auto mark = os::valueOf<uint32_t>(one.key);
      tunnels_[{mark, pipeline::load16(one.key.data() + 4)}] = pipeline::load16(one.value.data());
    });
  });
}

std::optional<os::xfrm::Kept> Remains::takeSa(os::xfrm::Direction direction, uint32_t spi, uint32_t mark) {
  auto node = sas_.extract({direction, spi, mark});
  return node.empty() ? std::nullopt : std::optional(node.mapped());
}

std::optional<os::xfrm::KeptPolicy> Remains::takePolicy(uint32_t mark) {
  auto node = policies_.extract(mark);
  return node.empty() ? std::nullopt : std::optional(node.mapped());
}

bool Remains::carries(uint32_t spi) const {
  return std::any_of(sites_.begin(), sites_.end(), [&](const auto& one) { return one.spi == spi; });
}

void Remains::claim(const os::xfrm::SitePolicy& policy) {
  std::erase_if(sites_, [&](const auto& one) { return one.way == policy.way && one.selector == policy.selector; });
}

std::optional<uint16_t> Remains::takeTunnel(uint32_t mark, uint16_t local) {
  auto node = tunnels_.extract({mark, local});
  return node.empty() ? std::nullopt : std::optional(node.mapped());
}

void Remains::remove(os::Netlink& xfrm, os::Netlink& nft) {
  for (const auto& [key, kept] : std::exchange(sas_, {})) {
    const bool in = kept.direction == os::xfrm::Direction::in;
    os::Message message = os::xfrm::removeSa(kept.destination, kept.spi, kept.key);
    xfrm.request(message);
    if (!in) continue;
    std::vector<os::Message> spi;
    spi.push_back(os::nft::removeElement(tableName, {"spis", os::nft::Key().number32(kept.spi).done(), {}, {}}));
    nft.batch(spi);
  }
  for (const auto& [mark, kept] : std::exchange(policies_, {})) {
    os::Message message = os::xfrm::removePolicy(kept.local, kept.remote, mark);
    xfrm.request(message);
  }
  for (const auto& policy : std::exchange(sites_, {})) {
    os::Message message = os::xfrm::removeSitePolicy(policy.selector, policy.way);
    xfrm.request(message);
  }
  for (const auto& [wire, number] : std::exchange(tunnels_, {})) {
    const auto key = os::nft::Key().mark(wire.first).port(wire.second).done();
    const auto ours = os::nft::Key().port(number).done();
    std::vector<os::Message> messages;
    for (const char* set : {"numbers", "ids"})
      messages.push_back(os::nft::removeElement(tableName, {set, key, {}, {}}));
    for (const char* set : {"local_ports", "remote_ports"})
      messages.push_back(os::nft::removeElement(tableName, {set, ours, {}, {}}));
    nft.batch(messages);
  }
}

void removeRemains() {
  os::Netlink xfrm(NETLINK_XFRM);
  os::Netlink nft(NETLINK_NETFILTER);
  Remains remains;
  remains.read(xfrm, nft);
  remains.remove(xfrm, nft);
  (void)os::nft::load(noRuleset());
}

KeptKeys readKeys(os::Netlink& xfrm, const os::xfrm::Kept& kept) {
  KeptKeys keys;
  os::Message asked = os::xfrm::getSa(kept.destination, kept.spi, kept.key);
  xfrm.ask(asked, [&](const os::Received& message) {
    const auto [cipher, integrity] = os::xfrm::readKeys(message);
    keys.cipher = Secret(cipher);
    keys.integrity = Secret(integrity);
  });
  return keys;
}

}  // namespace gatehouse::kernel
