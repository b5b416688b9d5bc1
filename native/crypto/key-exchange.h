// Diffie-Hellman as a responder does it, both exponentiations at once: MODP groups and ECP256 on plain numbers and points, without the forms of keys that cost
// OpenSSL more than the work itself.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace gatehouse::crypto {

/// Both have the group's length, leading zeros included (RFC 2409 §5). `shared` is wiped in the end.
struct Exchanged {
  Exchanged() = default;
  Exchanged(Exchanged&&) = default;
  Exchanged& operator=(Exchanged&&) = default;
  Exchanged(const Exchanged&) = delete;
  Exchanged& operator=(const Exchanged&) = delete;
  ~Exchanged();

  std::vector<std::uint8_t> publicValue;
  std::vector<std::uint8_t> shared;
};

/// A fresh private value x, 2^x and peer^x. `name` is a group's as in src/algorithms (`modp2048`); nothing of another one, of a peer's value that lies outside
/// 2 … p-2 or off the curve or has another length, or where libcrypto fails (memory, randomness). From any thread; 2 to 3 ms for MODP4096, 0.4 for
/// MODP2048, 0.05 for ECP256.
std::optional<Exchanged> exchangeKeys(std::string_view name, std::span<const std::uint8_t> peerPublic);

}  // namespace gatehouse::crypto
