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

/// Eight words of 32 bits, in whatever registers there are (a GCC extension that clang has too). The halves of each are summed apart, so that nothing
/// has to be widened: 64 KiB of FFFF fit.
using Words = uint32_t __attribute__((vector_size(32)));

struct Sums {
  Words low{};
  Words high{};
};

inline __attribute__((always_inline)) uint64_t total(const Sums& sums) {
  uint64_t sum = 0;
  for (size_t i = 0; i < sizeof(Words) / 4; i++) sum += uint64_t{sums.low[i]} + sums.high[i];
  return sum;
}

// Words are summed as the machine reads them; RFC 1071 §2(B): the sum of swapped words is the swapped sum.
uint32_t finish(uint64_t sum) {
  sum = (sum & 0xFFFFFFFF) + (sum >> 32);
  const uint16_t folded = checksumFold(sum);
  return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? __builtin_bswap16(folded) : folded;
}

uint64_t tail(const uint8_t* from, size_t length) {
  uint64_t sum = 0;
  for (; length >= 4; from += 4, length -= 4) {
    uint32_t words;
    std::memcpy(&words, from, 4);
    sum += words;
  }
  if (length >= 2) {
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
  if (length < sizeof(Words)) return finish(tail(from, length));
  Sums sums;
  for (; length >= sizeof(Words); from += sizeof(Words), length -= sizeof(Words)) {
    Words words;
    std::memcpy(&words, from, sizeof words);
    sums.low += words & 0xFFFF;
    sums.high += words >> 16;
  }
  return finish(total(sums) + tail(from, length));
}

GATEHOUSE_CLONES uint32_t checksumCopy(uint8_t* to, const uint8_t* from, size_t length) {
  Sums sums;
  for (; length >= sizeof(Words); from += sizeof(Words), to += sizeof(Words), length -= sizeof(Words)) {
    Words words;
    std::memcpy(&words, from, sizeof words);
    std::memcpy(to, &words, sizeof words);
    sums.low += words & 0xFFFF;
    sums.high += words >> 16;
  }
  std::memcpy(to, from, length);
  return finish(total(sums) + tail(from, length));
}

uint32_t checksumPseudo(const uint8_t* source, const uint8_t* destination, size_t addressLength, uint8_t protocol,
                        uint32_t length) {
  return checksumSum(source, addressLength) + checksumSum(destination, addressLength) + protocol + (length >> 16) +
         (length & 0xFFFF);
}

}  // namespace gatehouse::pipeline
