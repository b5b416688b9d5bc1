// The engines' makers, and what they share. Only for files of this folder.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "crypto/engine.h"

namespace gatehouse::crypto {

bool ipsecMbAvailable();
std::unique_ptr<Engine> makeIpsecMbEngine();
std::unique_ptr<Engine> makeOpensslEngine();

/// Throws std::invalid_argument as Engine::expand() promises.
void checkKeyLengths(const Engine& engine, const Transform& transform, std::span<const std::uint8_t> cipherKey,
                     std::span<const std::uint8_t> integrityKey);

inline void writeBig32(std::uint8_t* to, std::uint32_t value) noexcept {
  value = __builtin_bswap32(value);
  __builtin_memcpy(to, &value, sizeof value);
}

}  // namespace gatehouse::crypto
