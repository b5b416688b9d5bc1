// Compares integrity values in a time that does not depend on where they differ.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace gatehouse::crypto {

/// `octets` is public and a multiple of 4, as every ICV length is.
inline bool equalInConstantTime(const std::uint8_t* a, const std::uint8_t* b, std::size_t octets) noexcept {
  std::uint32_t difference = 0;
  for (std::size_t i = 0; i < octets; i += 4) {
    std::uint32_t left;
    std::uint32_t right;
    std::memcpy(&left, a + i, 4);
    std::memcpy(&right, b + i, 4);
    difference |= left ^ right;
    // Keeps the compiler from leaving the loop early.
    asm volatile("" : "+r"(difference));
  }
  return difference == 0;
}

}  // namespace gatehouse::crypto
