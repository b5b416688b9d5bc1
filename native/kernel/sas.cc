// The part of Control that makes SAs and policies.
#include <net/if.h>

#include <algorithm>
#include <cerrno>

#include "kernel/control.h"
#include "kernel/ruleset.h"
#include "linux/offload-device.h"
#include "linux/ppp-device.h"

namespace gatehouse::kernel {
namespace {

/// How many numbers a moved SA leaves out: more than are sent between reading the last one and changing over.
constexpr uint64_t leap = 8192;

os::xfrm::Sa describe(const Pair& pair, os::xfrm::Direction direction) {
  const Half& half = direction == os::xfrm::Direction::in ? pair.inbound : pair.outbound;
  os::xfrm::Sa sa;
  sa.direction = direction;
  sa.spi = half.spi;
  sa.path = pair.path;
  sa.encapsulated = pair.encapsulated;
  sa.transform = half.transform;
  sa.cipherKey = half.cipherKey.octets();
  sa.integrityKey = half.integrityKey.octets();
  sa.replayWindow = pair.replayWindow;
  sa.mark = sa.reqid = pair.peer.mark();
  if (pair.tunnel) {
    sa.selector = pair.tunnel->second;
    sa.tunnelMode = !pair.transport;
    sa.mark = markOfSites;
  }
  return sa;
}

os::nft::Element spiElement(const Pair& pair) {
  return {"spis", os::nft::Key().number32(pair.inbound.spi).done(), {}, {}};
}

}  // namespace

void Control::addSas(Pair& pair) {
  std::vector<os::Message> known;
  known.push_back(os::nft::addElement(tableName, spiElement(pair)));
  elements(std::move(known), "cannot note an SPI");
  auto inbound = describe(pair, os::xfrm::Direction::in);
  auto outbound = describe(pair, os::xfrm::Direction::out);
  inbound.offloadDevice = outbound.offloadDevice = offloadDevice(pair);
  if (inbound.offloadDevice == 0 && (options_.offload == "crypto" || options_.offload == "packet")) {
    notOffloaded_ += 2;
    offloadRefusal_ = pair.encapsulated ? "ESP is in UDP, which no kernel leaves to a device"
                                        : "the device that has the address does not say esp-hw-offload";
  }
  try {
    addSa(inbound);
    try {
      addSa(outbound);
    } catch (const Refused&) {
      os::Message back = os::xfrm::removeSa(pair.path.local.address, pair.inbound.spi, 0);
      xfrm_.request(back);
      throw;
    }
  } catch (const Refused&) {
    std::vector<os::Message> unknown;
    unknown.push_back(os::nft::removeElement(tableName, spiElement(pair)));
    nft_.batch(unknown);
    throw;
  }
}

// The SAs of a former process, with their keys: a peer that moves needs them.
void Control::adoptSas(Pair& pair) {
  const uint32_t mark = pair.peer.mark();
  for (auto* half : {&pair.inbound, &pair.outbound}) {
    const auto direction = half == &pair.inbound ? os::xfrm::Direction::in : os::xfrm::Direction::out;
    const auto kept = remains_.takeSa(direction, half->spi, mark);
    if (!kept)
      throw Refused{"nothing-to-adopt", "the kernel has no SA with SPI " + std::to_string(half->spi) + " of peer " +
                                            std::to_string(pair.peer.id)};
    KeptKeys keys = readKeys(xfrm_, *kept);
    half->cipherKey = std::move(keys.cipher);
    half->integrityKey = std::move(keys.integrity);
    if (direction == os::xfrm::Direction::in) {
      pair.usedTold = pair.usable = kept->packets != 0;
    } else {
      pair.path.remote.address = kept->destination;
    }
  }
  if (const auto policy = remains_.takePolicy(mark)) pair.peer.policy = {policy->local, policy->remote, policy->spi};
}

// With the device if it takes it: whole packets, else the cipher, or only what was asked for; without, if it doesn't.
void Control::addSa(os::xfrm::Sa& sa) {
  if (sa.offloadDevice != 0) {
    for (const bool packet : {true, false}) {
      if (options_.offload == (packet ? "crypto" : "packet")) continue;
      sa.offloadPacket = packet;
      os::Message tried = os::xfrm::addSa(sa);
      const os::Answer answer = xfrm_.request(tried);
      if (answer.ok()) {
        noteOffload(sa);
        return;
      }
      offloadRefusal_ = answer.why();
    }
    notOffloaded_ += 1;
    sa.offloadDevice = 0;
    sa.offloadPacket = false;
  }
  os::Message message = os::xfrm::addSa(sa);
  const os::Answer answer = xfrm_.request(message);
  if (answer.ok()) return;
  const std::string what = "this kernel takes no SA with " + crypto::nameOf(sa.transform);
  // ENOSYS and ENOENT: an algorithm that isn't there; EPROTONOSUPPORT: no ESP.
  const bool unsupported =
      answer.error == ENOSYS || answer.error == ENOENT || answer.error == EPROTONOSUPPORT || answer.error == EOPNOTSUPP;
  if (answer.error == EEXIST)
    throw Refused{"spi-in-use", "the kernel has an SA with SPI " + std::to_string(sa.spi) + " already"};
  must(answer, unsupported ? "unsupported-algorithm" : "kernel", what);
}

// A kernel takes an SA for a device without the means as well, and does the work itself.
void Control::noteOffload(const os::xfrm::Sa& sa) {
  const bool in = sa.direction == os::xfrm::Direction::in;
  os::Message asked =
      os::xfrm::getSa(in ? sa.path.local.address : sa.path.remote.address, sa.spi, in || sa.selector ? 0 : sa.mark);
  bool offloaded = false;
  xfrm_.ask(asked, [&](const os::Received& message) {
    if (const auto kept = os::xfrm::readSa(message)) offloaded = kept->offloaded;
  });
  offloaded_ += offloaded ? 1 : 0;
  notOffloaded_ += offloaded ? 0 : 1;
  if (!offloaded) offloadRefusal_ = "the device has no ESP offload";
}

void Control::removeSas(const Pair& pair) {
  os::Message inbound = os::xfrm::removeSa(pair.path.local.address, pair.inbound.spi, 0);
  xfrm_.request(inbound);
  os::Message outbound = os::xfrm::removeSa(pair.path.remote.address, pair.outbound.spi, pair.outboundMark());
  xfrm_.request(outbound);
  std::vector<os::Message> unknown;
  unknown.push_back(os::nft::removeElement(tableName, spiElement(pair)));
  nft_.batch(unknown);
}

bool Control::used(Pair& pair) {
  if (pair.usedTold) return false;
  os::Message quiet = os::xfrm::silence(pair.path.local.address, pair.inbound.spi, 0, pair.peer.mark());
  xfrm_.request(quiet);
  pair.usedTold = true;
  pair.usable = true;
  const bool newer = std::none_of(tables_.pairs.begin(), tables_.pairs.end(), [&](const auto& entry) {
    const Pair& other = *entry.second;
    return other.tunnel == pair.tunnel && other.rank != 0 && other.ordinal > pair.ordinal;
  });
  const bool first = pair.peer.active == nullptr || pair.peer.active->ordinal < pair.ordinal;
  if (pair.tunnel ? pair.rank == 0 && newer : first) {
    try {
      use(&pair, pair.peer);
    } catch (const Refused&) {
      // The policy stays with the former pair; the control plane's own useOutbound will say why.
    }
    undo_.clear();
  }
  return true;
}

void Control::use(Pair* pair, Peer& peer) {
  if (pair->tunnel) return useSitePair(*pair);
  Pair* const before = peer.active;
  undo([this, &peer, before] {
    peer.active = before;
    setPolicy(peer);
  });
  peer.active = pair;
  pair->usable = true;
  setPolicy(peer);
  refreshMtus(peer);
}

// One policy a peer. The new one is there before the old one goes.
void Control::setPolicy(Peer& peer) {
  const Pair* pair = peer.best();
  if (pair == nullptr && !peer.policy) return;
  Peer::Policy wanted =
      pair == nullptr ? *peer.policy : Peer::Policy{pair->path.local.address, pair->path.remote.address, 0};
  wanted.spi = peer.active == nullptr ? 0 : peer.active->outbound.spi;
  if (peer.policy == wanted) return;
  os::Message message = os::xfrm::setPolicy(wanted.local, wanted.remote, peer.mark(), peer.mark(), wanted.spi);
  must(xfrm_.request(message), "kernel", "cannot set the policy of peer " + std::to_string(peer.id));
  if (peer.policy && (peer.policy->local != wanted.local || peer.policy->remote != wanted.remote)) {
    os::Message old = os::xfrm::removePolicy(peer.policy->local, peer.policy->remote, peer.mark());
    xfrm_.request(old);
  }
  peer.policy = wanted;
}

// 1 outbound SAs under the new address · 2 the policy points to them · 3 tunnels' sockets · 4 the old SAs go. Inbound SAs take packets from anywhere.
void Control::moveTo(Peer& peer, const Endpoint& remote) {
  std::vector<os::Message> old;
  for (const auto& pair : peer.pairs) {
    // A site's that is gone has no SA any more.
    if (pair->path.remote == remote || (pair->tunnel && !tables_.sites.contains(pair->tunnel->first))) continue;
    if (pair->path.remote.address != remote.address)
      old.push_back(os::xfrm::removeSa(pair->path.remote.address, pair->outbound.spi, pair->outboundMark()));
    moveOutbound(*pair, remote);
    pair->movedTo.reset();
  }
  setPolicy(peer);
  refreshSites(peer);
  for (const auto& [id, tunnel] : peer.tunnels) os::reconnect(tunnel->udp, {remote.address, tunnel->number});
  for (os::Message& message : old) xfrm_.request(message);
  refreshMtus(peer);
}

void Control::moveOutbound(Pair& pair, const Endpoint& remote) {
  const bool elsewhere = pair.path.remote.address != remote.address;
  os::Message asked = os::xfrm::getSa(pair.path.remote.address, pair.outbound.spi, pair.outboundMark());
  uint64_t sequence = 0;
  must(xfrm_.ask(asked,
                 [&](const os::Received& message) {
                   if (const auto kept = os::xfrm::readSa(message)) sequence = kept->sequence;
                 }),
       "kernel", "cannot read the SA that moves");
  const Path before = pair.path;
  pair.path.remote = remote;
  os::xfrm::Sa sa = describe(pair, os::xfrm::Direction::out);
  sa.sequence = elsewhere ? sequence + leap : sequence;
  os::Message message = os::xfrm::addSa(sa, !elsewhere);
  const os::Answer answer = xfrm_.request(message);
  if (!answer.ok()) pair.path = before;
  must(answer, "kernel", "cannot move an SA");
}

// Offload is by the device that the packets leave by; without its name the kernel is asked which that is, and only for ESP outside of UDP, which is all that any takes.
int Control::offloadDevice(const Pair& pair) const {
  if (options_.offload == "off") return 0;
  if (os::namesDevice(options_.offload)) return static_cast<int>(if_nametoindex(options_.offload.c_str()));
  if (pair.encapsulated) return 0;
  return os::espOffloadDevice(pair.path.local.address);
}

}  // namespace gatehouse::kernel
