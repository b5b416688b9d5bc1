// What workers tell the main thread, as records of octets. src/platform/native-codec.ts reads what is written here.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

#include "pipeline/address.h"
#include "pipeline/ip-packet.h"
#include "pipeline/ring.h"

namespace gatehouse::pipeline {

/// One worker's three rings. What anybody may send (IKE) is apart from what came through an SA, or a forger would starve the rest; and of that the first
/// messages, which need nothing to be forged, are apart from those with a responder's cookie, or their flood would keep out who goes on after an answer of ours.
class Events {
 public:
  Events() : newcomers_(strangerOctets), strangers_(strangerOctets), friends_(friendOctets) {}

  // Each is false if the ring was full and the event is lost.
  bool ike(const Path& path, std::span<const uint8_t> octets);
  bool unknownSpi(const Path& path, uint32_t spi);
  bool control(uint32_t peer, uint16_t localPort, uint16_t remotePort, std::span<const uint8_t> octets);
  bool ppp(uint32_t session, uint16_t protocol, std::span<const uint8_t> payload);
  bool dhcp(uint32_t session, std::span<const uint8_t> packet);
  bool strayData(uint32_t peer, uint16_t tunnel, uint16_t session);
  bool moved(uint32_t peer, uint32_t spi, const Path& path);
  /// `truncation`: octets of the peer's integrity values where SHA2-256 has two forms, else 0.
  bool pairUsed(uint32_t peer, uint32_t spi, size_t truncation);
  bool sequenceLow(uint32_t peer, uint32_t spi);
  /// A packet of a tunnel that has no SA for it.
  bool acquire(uint32_t tunnel, const IpPacket& packet);
  bool acquire(uint32_t tunnel, uint8_t protocol, const Endpoint& source, const Endpoint& destination);

  /// What became of a list of changes; `code` is empty if all is well.
  bool applied(uint32_t job, std::string_view code, std::string_view message);

  /// Something was pushed since the last call. For the worker.
  bool takePushed() { return std::exchange(pushed_, false); }

  [[nodiscard]] bool any() const { return !friends_.empty() || !strangers_.empty() || !newcomers_.empty(); }
  Ring& newcomers() { return newcomers_; }
  Ring& strangers() { return strangers_; }
  Ring& friends() { return friends_; }

 private:
  // Some hundred full-sized IKE messages; some hundred control messages of each of a burst of logins.
  static constexpr size_t strangerOctets = size_t{512} * 1024;
  static constexpr size_t friendOctets = size_t{1024} * 1024;

  bool push(Ring& ring, std::span<const uint8_t> head, std::span<const uint8_t> body);

  Ring newcomers_;
  Ring strangers_;
  Ring friends_;
  uint32_t overflowed_ = 0;
  bool pushed_ = false;
};

}  // namespace gatehouse::pipeline
