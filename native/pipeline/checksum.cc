#include "pipeline/checksum.h"

#include <cstring>

#include "pipeline/octets.h"

// Wider registers where the processor has them. Sanitizers can't run before ifunc resolvers, so they get the plain form.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define GATEHOUSE_CLONES __attribute__((target_clones("avx2", "default")))
#else
#define GATEHOUSE_CLONES
#endif

namespace gatehouse::pipeline {
namespace {

// Words are summed as the machine reads them; RFC 1071 §2(B): the sum of swapped words is the swapped sum.
uint32_t finish(uint64_t sum) {
  sum = (sum & 0xFFFFFFFF) + (sum >> 32);
  const uint16_t folded = checksumFold(sum);
  return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? __builtin_bswap16(folded) : folded;
}

uint64_t tail(const uint8_t* from, size_t length) {
  uint64_t sum = 0;
  while (length >= 2) {
    uint16_t word;
    std::memcpy(&word, from, 2);
    sum += word;
    from += 2;
    length -= 2;
  }
  if (length == 1) {
    const uint8_t padded[2] = {from[0], 0};
    uint16_t word;
    std::memcpy(&word, padded, 2);
    sum += word;
  }
  return sum;
}

}  // namespace

GATEHOUSE_CLONES uint32_t checksumSum(const uint8_t* from, size_t length) {
  uint64_t sums[8] = {};
  while (length >= 32) {
    uint32_t words[8];
    std::memcpy(words, from, 32);
    for (int i = 0; i < 8; i++) sums[i] += words[i];
    from += 32;
    length -= 32;
  }
  uint64_t sum = 0;
  for (const uint64_t part : sums) sum += part;
  return finish(sum + tail(from, length));
}

GATEHOUSE_CLONES uint32_t checksumCopy(uint8_t* to, const uint8_t* from, size_t length) {
  uint64_t sums[8] = {};
  while (length >= 32) {
    uint32_t words[8];
    std::memcpy(words, from, 32);
    std::memcpy(to, words, 32);
    for (int i = 0; i < 8; i++) sums[i] += words[i];
    from += 32;
    to += 32;
    length -= 32;
  }
  std::memcpy(to, from, length);
  uint64_t sum = 0;
  for (const uint64_t part : sums) sum += part;
  return finish(sum + tail(from, length));
}

uint32_t checksumPseudo(const uint8_t* source, const uint8_t* destination, size_t addressLength, uint8_t protocol,
                        uint32_t length) {
  return checksumSum(source, addressLength) + checksumSum(destination, addressLength) + protocol + (length >> 16) +
         (length & 0xFFFF);
}

}  // namespace gatehouse::pipeline
