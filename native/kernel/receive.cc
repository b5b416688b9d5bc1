// The part of the plane's thread that reads. News of the kernel is always read before what came through an SA is told, so that `pairUsed` comes first.
#include <arpa/inet.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <optional>

#include "kernel/thread.h"
#include "pipeline/l2tp.h"
#include "pipeline/octets.h"
#include "pipeline/ppp.h"

namespace gatehouse::kernel {
namespace {

using pipeline::Counter;

constexpr size_t nonEspMarker = 4;
/// Frames taken from one session before the others get their turn.
constexpr int framesAtOnce = 16;

uint64_t nowMs() {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch())
          .count());
}

bool mayTell(Peer& peer, size_t octets) {
  return peer.exceptions.take(nowMs(), static_cast<uint32_t>(octets / 1024) + 1);
}

}  // namespace

void KernelPlane::Thread::readNews() {
  bool lost = false;
  const Tables& tables = control_->tables();
  news_->notifications(
      [&](const os::Received& message) {
        if (const auto used = os::xfrm::readUsed(message); used && (used->reqid & markMask) == markOfOurs) {
          if (Pair* pair = tables.pair(used->spi); pair != nullptr && pair->peer.mark() == used->reqid) tellUsed(*pair);
        } else if (const auto mapping = os::xfrm::readMapping(message)) {
          Pair* pair = tables.pair(mapping->spi);
          if (pair == nullptr) return;
          // Only what is authentic gets there.
          if (!pair->usedTold) tellUsed(*pair);
          if (mapping->remote == pair->path.remote || pair->movedTo == mapping->remote) return;
          if (!pair->peer.moves.take(nowMs())) return;
          const Path path{pair->path.local, mapping->remote};
          if (events_.moved(pair->peer.id, pair->inbound.spi, path)) pair->movedTo = mapping->remote;
        } else if (const auto acquire = os::xfrm::readAcquire(message)) {
          tellAcquire(*acquire);
        } else if (const auto expired = os::xfrm::readExpired(message)) {
          const Peer* peer = tables.marked(expired->reqid);
          if (peer == nullptr) return;
          for (const auto& pair : peer->pairs) {
            if (pair->outbound.spi == expired->spi && !pair->lowTold)
              pair->lowTold = events_.sequenceLow(peer->id, pair->inbound.spi);
          }
        }
      },
      lost);
  if (lost) counters_.add(Counter::dropEventRingFull);
}

// Of the sites that mean the packet the one whose selector is the most exact.
void KernelPlane::Thread::tellAcquire(const os::xfrm::Acquire& wanted) {
  uint32_t tunnel = 0;
  std::optional<uint32_t> most;
  for (const auto& [id, site] : control_->tables().sites) {
    for (const pipeline::Selector& one : site.selectors) {
      const bool meant = one.local.contains(wanted.source.address) && one.remote.contains(wanted.destination.address) &&
                         (one.protocol == 0 || one.protocol == wanted.protocol) &&
                         (one.localPort == 0 || one.localPort == wanted.source.port) &&
                         (one.remotePort == 0 || one.remotePort == wanted.destination.port);
      if (!meant || !site.hold || (most && *most >= os::xfrm::exactness(one))) continue;
      tunnel = id;
      most = os::xfrm::exactness(one);
    }
  }
  const uint64_t host = pipeline::AddressHash{}(wanted.destination.address);
  if (!most || !acquires_.allows(host + tunnel, nowMs())) return;
  if (!events_.acquire(tunnel, wanted.protocol, wanted.source, wanted.destination))
    counters_.add(Counter::dropEventRingFull);
}

void KernelPlane::Thread::tellUsed(Pair& pair) {
  if (control_->used(pair)) events_.pairUsed(pair.peer.id, pair.inbound.spi, 0);
}

void KernelPlane::Thread::readIke(const os::Socket& socket, bool marker) {
  const unsigned count = batch_.receive(socket);
  for (unsigned i = 0; i < count; i++) {
    const os::Datagram& datagram = batch_[i];
    const size_t skip = marker ? nonEspMarker : 0;
    if (datagram.length <= skip) {
      counters_.add(Counter::dropTooShort);
      continue;
    }
    counters_.add(Counter::ikeIn);
    if (!events_.ike(datagram.path, {datagram.data + skip, datagram.length - skip}))
      counters_.add(Counter::dropIkeRingFull);
  }
}

void KernelPlane::Thread::readControl(const os::Socket& socket) {
  const unsigned count = batch_.receive(socket);
  if (count != 0) readNews();
  for (unsigned i = 0; i < count; i++) {
    const os::Datagram& datagram = batch_[i];
    Peer* peer = control_->tables().marked(datagram.mark);
    if (peer == nullptr || datagram.length < 2) {
      counters_.add(Counter::dropNotL2tp);
      continue;
    }
    const std::span<const uint8_t> message{datagram.data, datagram.length};
    if ((datagram.data[0] & 0x80) == 0) {
      pipeline::L2tpHeader header;
      if (pipeline::parseL2tp(datagram.data, datagram.length, header)) strayData(*peer, header.tunnel, message);
      continue;
    }
    if (!mayTell(*peer, message.size()) ||
        !events_.control(peer->id, socket.port(), datagram.path.remote.port, message))
      counters_.add(Counter::dropEventRingFull);
  }
}

void KernelPlane::Thread::strayData(const Peer& peer, uint16_t wireTunnel, std::span<const uint8_t> message) {
  pipeline::L2tpHeader header;
  if (!pipeline::parseL2tp(message.data(), message.size(), header)) return;
  const uint64_t source =
      static_cast<uint64_t>(peer.id) << 32 | static_cast<uint32_t>(wireTunnel) << 16 | header.session;
  if (strays_.allows(source, nowMs())) events_.strayData(peer.id, wireTunnel, header.session);
}

// What the kernel doesn't take by itself: data of a tunnel whose session is gone; on the port's own socket that of a peer that has moved.
void KernelPlane::Thread::readTunnel(int descriptor, uint16_t number) {
  for (int i = 0; i < framesAtOnce; i++) {
    sockaddr_storage name{};
    socklen_t length = sizeof name;
    const ssize_t count =
        ::recvfrom(descriptor, frame_.data(), frame_.size(), MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&name), &length);
    if (count < 0) return;
    readNews();
    uint16_t wanted = number;
    if (wanted == 0) {
      const auto* in = reinterpret_cast<const sockaddr_in*>(&name);
      wanted = ntohs(in->sin_port);
    }
    const auto found = control_->tables().numbers.find(wanted);
    if (found == control_->tables().numbers.end()) continue;
    counters_.add(Counter::dropStray);
    strayData(*found->second.first, found->second.second->local, {frame_.data(), static_cast<size_t>(count)});
  }
}

// `port`: the one at which ESP in UDP came; 0: protocol 50.
void KernelPlane::Thread::readStray(const os::Socket& socket, uint16_t port) {
  const unsigned count = batch_.receive(socket);
  for (unsigned i = 0; i < count; i++) {
    const os::Datagram& datagram = batch_[i];
    counters_.add(Counter::dropUnknownSpi);
    if (datagram.length < 8) continue;
    Path path = datagram.path;
    path.local.port = port;
    const uint64_t source = pipeline::AddressHash{}(path.remote.address);
    if (strangers_.allows(source, nowMs())) events_.unknownSpi(path, pipeline::load32(datagram.data));
  }
}

void KernelPlane::Thread::readFrames(uint32_t id, bool unit) {
  Session* session = control_->tables().session(id);
  if (session == nullptr) return;
  const os::File& file = unit ? session->unit : session->channel;
  for (int i = 0; i < framesAtOnce && file.open(); i++) {
    const ssize_t count = ::read(file.get(), frame_.data(), frame_.size());
    if (count <= 0) {
      // The channel under it is gone: it would be readable for ever.
      if (count == 0) remove(file.get());
      return;
    }
    if (i == 0) readNews();
    pipeline::PppFrame frame;
    if (!pipeline::parsePpp(frame_.data(), static_cast<size_t>(count), frame)) continue;
    if (frame.protocol == pipeline::pppIpv4 || frame.protocol == pipeline::pppIpv6) {
      counters_.add(Counter::dropUnconfigured);
      continue;
    }
    const std::span<const uint8_t> payload{frame_.data() + frame.headerLength,
                                           static_cast<size_t>(count) - frame.headerLength};
    if (!mayTell(session->peer, payload.size()) || !events_.ppp(id, frame.protocol, payload))
      counters_.add(Counter::dropEventRingFull);
  }
}

void KernelPlane::Thread::readDhcp() {
  for (int i = 0; i < framesAtOnce; i++) {
    int interface = 0;
    const auto packet = dhcp_->receive(interface);
    if (packet.empty()) return;
    readNews();
    const Session* session = control_->tables().interface(interface);
    if (session == nullptr || !session->made || session->made->anySource) continue;
    if (!mayTell(session->peer, packet.size()) || !events_.dhcp(session->id, packet))
      counters_.add(Counter::dropEventRingFull);
  }
}

}  // namespace gatehouse::kernel
