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

/// Whether an engine may touch this job: libraries trust the lengths that they are given. Padding to four octets, which RFC 4303 asks for with every
/// cipher, is the ESP layer's business; here only a block cipher's own blocks count.
inline bool acceptable(const Job& job, Direction direction) noexcept {
  if (job.key == nullptr || job.packet == nullptr || job.key->direction() != direction) return false;
  const std::size_t head = job.key->headRoom();
  const std::size_t block = job.key->cipherBlock();
  if (job.length < head || job.length > 0xffff) return false;
  const std::size_t text = job.length - head;
  return block == 1 || (text != 0 && (text & (block - 1)) == 0);
}

inline void writeBig32(std::uint8_t* to, std::uint32_t value) noexcept {
  value = __builtin_bswap32(value);
  __builtin_memcpy(to, &value, sizeof value);
}

}  // namespace gatehouse::crypto
