// Overwrites memory that held a key, in a way that the optimiser may not take away.
#pragma once

#include <cstddef>
#include <span>

namespace gatehouse::crypto {

void wipe(void* memory, std::size_t octets) noexcept;

template <typename T, std::size_t extent>
void wipe(std::span<T, extent> memory) noexcept {
  wipe(memory.data(), memory.size_bytes());
}

}  // namespace gatehouse::crypto
