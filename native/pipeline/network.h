// An address and a prefix length.
#pragma once

#include <cstdint>

#include "pipeline/address.h"

namespace gatehouse::pipeline {

/// The first `prefix` bits of the address, the rest zero.
inline Address masked(const Address& address, uint8_t prefix) {
  Address result = address;
  for (uint8_t i = 0; i < address.length; i++) {
    const int bits = static_cast<int>(prefix) - i * 8;
    if (bits <= 0) {
      result.octets[i] = 0;
    } else if (bits < 8) {
      result.octets[i] = static_cast<uint8_t>(result.octets[i] & (0xFF00 >> bits));
    }
  }
  return result;
}

/// The address is masked.
struct Network {
  Address address;
  uint8_t prefix = 0;

  bool operator==(const Network&) const = default;
  [[nodiscard]] bool host() const { return prefix == address.length * 8; }
  [[nodiscard]] bool contains(const Address& other) const {
    return other.length == address.length && masked(other, prefix) == address;
  }
};

struct NetworkHash {
  size_t operator()(const Network& network) const { return AddressHash{}(network.address) * 31 + network.prefix; }
};

}  // namespace gatehouse::pipeline
