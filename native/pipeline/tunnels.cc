#include "pipeline/tunnels.h"

#include "pipeline/octets.h"

namespace gatehouse::pipeline {

std::array<uint16_t, 2> portsOf(const IpPacket& packet) {
  const bool has = (packet.protocol == protocolTcp || packet.protocol == protocolUdp) && !packet.laterFragment;
  if (!has || packet.upperLength() < 4) return {0, 0};
  return {load16(packet.upper()), load16(packet.upper() + 2)};
}

bool Selector::meets(const IpPacket& packet, Way way) const {
  const Address source = Address::from(packet.source(), packet.addressLength());
  const Address destination = Address::from(packet.destination(), packet.addressLength());
  if (!local.contains(way == Way::out ? source : destination) ||
      !remote.contains(way == Way::out ? destination : source))
    return false;
  if (protocol != 0 && packet.protocol != protocol) return false;
  if (localPort == 0 && remotePort == 0) return true;
  const auto [from, to] = portsOf(packet);
  const uint16_t ours = way == Way::out ? from : to;
  const uint16_t theirs = way == Way::out ? to : from;
  return (localPort == 0 || ours == localPort) && (remotePort == 0 || theirs == remotePort);
}

bool Held::put(std::vector<uint8_t> packet) {
  const std::lock_guard lock(mutex_);
  const size_t octets = octets_.load(std::memory_order_relaxed) + packet.size();
  if (packets_.size() == mostPackets || octets > mostOctets) return false;
  packets_.push_back(std::move(packet));
  octets_.store(octets, std::memory_order_release);
  return true;
}

std::vector<std::vector<uint8_t>> Held::take() {
  const std::lock_guard lock(mutex_);
  octets_.store(0, std::memory_order_release);
  return std::exchange(packets_, {});
}

bool Held::first(const std::function<bool(const std::vector<uint8_t>&)>& asked) {
  const std::lock_guard lock(mutex_);
  return !packets_.empty() && asked(packets_.front());
}

Pair* Tunnel::carrier(const IpPacket& packet) const {
  Pair* best = nullptr;
  uint64_t most = 0;
  if (const auto* all = pairs.get()) {
    for (Pair* pair : *all) {
      const uint64_t rank = pair->rank.load(std::memory_order_acquire);
      if (rank > most && pair->selector->meets(packet, Way::out)) {
        best = pair;
        most = rank;
      }
    }
  }
  return best;
}

Tunnel* TunnelTable::find(const IpPacket& packet) const {
  for (const Entry& entry : entries) {
    if (entry.selector.meets(packet, Way::out)) return entry.tunnel;
  }
  return nullptr;
}

}  // namespace gatehouse::pipeline
