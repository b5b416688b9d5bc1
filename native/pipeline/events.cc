#include "pipeline/events.h"

#include <algorithm>
#include <vector>

#include "pipeline/octets.h"
#include "pipeline/tunnels.h"

namespace gatehouse::pipeline {
namespace {

enum class Kind : uint8_t {
  ike = 1,
  control,
  ppp,
  dhcp,
  strayData,
  moved,
  pairUsed,
  sequenceLow,
  unknownSpi,
  applied,
  acquire
};

/// A record's fixed part: at most a kind, two numbers and a path.
class Head {
 public:
  explicit Head(Kind kind) { u8(static_cast<uint8_t>(kind)); }
  Head& u8(uint8_t value) {
    octets_[length_++] = value;
    return *this;
  }
  Head& u16(uint16_t value) {
    store16(octets_ + length_, value);
    length_ += 2;
    return *this;
  }
  Head& u32(uint32_t value) {
    store32(octets_ + length_, value);
    length_ += 4;
    return *this;
  }
  Head& endpoint(const Endpoint& endpoint) {
    u8(endpoint.address.length);
    std::memcpy(octets_ + length_, endpoint.address.octets.data(), endpoint.address.length);
    length_ += endpoint.address.length;
    return u16(endpoint.port);
  }
  Head& path(const Path& path) { return endpoint(path.local).endpoint(path.remote); }
  [[nodiscard]] std::span<const uint8_t> octets() const { return {octets_, length_}; }

 private:
  uint8_t octets_[64] = {};
  size_t length_ = 0;
};

/// Without a responder's cookie (RFC 2408 §3.1).
bool beginsNegotiation(std::span<const uint8_t> octets) {
  constexpr size_t cookie = 8;
  if (octets.size() < 2 * cookie) return false;
  const auto responder = octets.subspan(cookie, cookie);
  return std::all_of(responder.begin(), responder.end(), [](uint8_t octet) { return octet == 0; });
}

}  // namespace

bool Events::push(Ring& ring, std::span<const uint8_t> head, std::span<const uint8_t> body) {
  pushed_ = true;
  return ring.push(head, body);
}

bool Events::ike(const Path& path, std::span<const uint8_t> octets) {
  const bool fits = push(beginsNegotiation(octets) ? newcomers_ : strangers_,
                         Head(Kind::ike).u32(overflowed_).path(path).octets(), octets);
  overflowed_ = fits ? 0 : overflowed_ + 1;
  return fits;
}

bool Events::unknownSpi(const Path& path, uint32_t spi) {
  return push(strangers_, Head(Kind::unknownSpi).u32(spi).path(path).octets(), {});
}

bool Events::control(uint32_t peer, uint16_t localPort, uint16_t remotePort, std::span<const uint8_t> octets) {
  return push(friends_, Head(Kind::control).u32(peer).u16(localPort).u16(remotePort).octets(), octets);
}

bool Events::ppp(uint32_t session, uint16_t protocol, std::span<const uint8_t> payload) {
  return push(friends_, Head(Kind::ppp).u32(session).u16(protocol).octets(), payload);
}

bool Events::dhcp(uint32_t session, std::span<const uint8_t> packet) {
  return push(friends_, Head(Kind::dhcp).u32(session).octets(), packet);
}

bool Events::strayData(uint32_t peer, uint16_t tunnel, uint16_t session) {
  return push(friends_, Head(Kind::strayData).u32(peer).u16(tunnel).u16(session).octets(), {});
}

bool Events::moved(uint32_t peer, uint32_t spi, const Path& path) {
  return push(friends_, Head(Kind::moved).u32(peer).u32(spi).path(path).octets(), {});
}

bool Events::pairUsed(uint32_t peer, uint32_t spi, size_t truncation) {
  return push(friends_, Head(Kind::pairUsed).u32(peer).u32(spi).u8(static_cast<uint8_t>(truncation)).octets(), {});
}

bool Events::sequenceLow(uint32_t peer, uint32_t spi) {
  return push(friends_, Head(Kind::sequenceLow).u32(peer).u32(spi).octets(), {});
}

bool Events::acquire(uint32_t tunnel, const IpPacket& packet) {
  const auto [from, to] = portsOf(packet);
  const Endpoint source{Address::from(packet.source(), packet.addressLength()), from};
  const Endpoint destination{Address::from(packet.destination(), packet.addressLength()), to};
  return acquire(tunnel, packet.protocol, source, destination);
}

bool Events::acquire(uint32_t tunnel, uint8_t protocol, const Endpoint& source, const Endpoint& destination) {
  return push(friends_, Head(Kind::acquire).u32(tunnel).u8(protocol).endpoint(source).endpoint(destination).octets(),
              {});
}

bool Events::applied(uint32_t job, std::string_view code, std::string_view message) {
  std::vector<uint8_t> body;
  body.push_back(static_cast<uint8_t>(std::min<size_t>(code.size(), 255)));
  body.insert(body.end(), code.begin(), code.begin() + body[0]);
  body.insert(body.end(), message.begin(), message.end());
  return push(friends_, Head(Kind::applied).u32(job).octets(), body);
}

}  // namespace gatehouse::pipeline
