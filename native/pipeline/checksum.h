// The Internet checksum (RFC 1071) in pieces, so that a payload is summed while it is copied and a header while it is written.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gatehouse::pipeline {

/// One's complement sum of octets taken as big-endian 16-bit words, at most 0xFFFF. Sums of pieces may be added to one another if every piece
/// but the last has an even length.
uint32_t checksumSum(const uint8_t* from, size_t length);

/// Copies and sums in one pass. The areas don't overlap.
uint32_t checksumCopy(uint8_t* to, const uint8_t* from, size_t length);

/// Sum of addresses, protocol and upper-layer length (RFC 793 §3.1, RFC 8200 §8.1). `addressLength` is 4 or 16.
uint32_t checksumPseudo(const uint8_t* source, const uint8_t* destination, size_t addressLength, uint8_t protocol,
                        uint32_t length);

/// Folds a sum of sums to 16 bits, not complemented.
inline uint16_t checksumFold(uint64_t sum) {
  while (sum >> 16 != 0) sum = (sum & 0xFFFF) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

/// What goes into a checksum field.
inline uint16_t checksumField(uint64_t sum) { return static_cast<uint16_t>(~checksumFold(sum)); }

/// As above for UDP, where zero means "none" and is sent as FFFF (RFC 768).
inline uint16_t checksumFieldUdp(uint64_t sum) {
  const uint16_t field = checksumField(sum);
  return field == 0 ? 0xFFFF : field;
}

/// The new field after one aligned 16-bit word changed (RFC 1624 §3).
inline uint16_t checksumReplace(uint16_t field, uint16_t before, uint16_t after) {
  return checksumField(static_cast<uint64_t>(static_cast<uint16_t>(~field)) + static_cast<uint16_t>(~before) + after);
}

}  // namespace gatehouse::pipeline
