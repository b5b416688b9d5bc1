#include "crypto/wipe.h"

#include <cstring>

namespace gatehouse::crypto {

void wipe(void* memory, std::size_t octets) noexcept {
  if (octets != 0) explicit_bzero(memory, octets);
}

}  // namespace gatehouse::crypto
