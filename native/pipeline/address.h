// Addresses and paths as the data plane keeps them: sixteen octets and a family, so that both families share one table.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

namespace gatehouse::pipeline {

/// An IPv4 (length 4) or IPv6 (length 16) address; length 0 is none. Octets behind the length are zero, so equality is plain.
struct Address {
  std::array<uint8_t, 16> octets{};
  uint8_t length = 0;

  static Address from(const uint8_t* data, uint8_t size) {
    Address address;
    address.length = size;
    std::memcpy(address.octets.data(), data, size);
    return address;
  }
  [[nodiscard]] bool known() const { return length != 0; }
  [[nodiscard]] bool isV4() const { return length == 4; }
  bool operator==(const Address&) const = default;
};

struct Endpoint {
  Address address;
  uint16_t port = 0;
  bool operator==(const Endpoint&) const = default;
};

/// The two ends that a datagram travels between, seen from here.
struct Path {
  Endpoint local;
  Endpoint remote;
  bool operator==(const Path&) const = default;
};

struct AddressHash {
  size_t operator()(const Address& address) const {
    uint64_t high;
    uint64_t low;
    std::memcpy(&high, address.octets.data(), 8);
    std::memcpy(&low, address.octets.data() + 8, 8);
    uint64_t mixed = (high ^ (low * 0x9E3779B97F4A7C15ULL)) * 0xD6E8FEB86659FD93ULL;
    return static_cast<size_t>(mixed ^ (mixed >> 32));
  }
};

}  // namespace gatehouse::pipeline
