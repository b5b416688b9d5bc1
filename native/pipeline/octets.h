// Big-endian loads and stores: every protocol that passes here is big-endian, and no header may be assumed to be aligned.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace gatehouse::pipeline {

inline uint16_t load16(const uint8_t* from) { return static_cast<uint16_t>((from[0] << 8) | from[1]); }

inline uint32_t load32(const uint8_t* from) {
  uint32_t value;
  std::memcpy(&value, from, 4);
  return __builtin_bswap32(value);
}

inline void store16(uint8_t* to, uint16_t value) {
  to[0] = static_cast<uint8_t>(value >> 8);
  to[1] = static_cast<uint8_t>(value);
}

inline void store32(uint8_t* to, uint32_t value) {
  const uint32_t swapped = __builtin_bswap32(value);
  std::memcpy(to, &swapped, 4);
}

}  // namespace gatehouse::pipeline
