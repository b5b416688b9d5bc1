// Both ends of an exchange against plain exponentiation, and what is refused.
#include "crypto/key-exchange.h"

#include <openssl/bn.h>

#include <string>

#include "test/test.h"

namespace gatehouse::test {
namespace {

struct Known {
  const char* group;
  BIGNUM* (*prime)(BIGNUM*);
};

constexpr Known known[] = {
    {"modp768", BN_get_rfc2409_prime_768},   {"modp1024", BN_get_rfc2409_prime_1024},
    {"modp1536", BN_get_rfc3526_prime_1536}, {"modp2048", BN_get_rfc3526_prime_2048},
    {"modp3072", BN_get_rfc3526_prime_3072}, {"modp4096", BN_get_rfc3526_prime_4096},
};

Octets octetsOf(const BIGNUM* number, int length) {
  Octets octets(static_cast<size_t>(length));
  BN_bn2binpad(number, octets.data(), length);
  return octets;
}

}  // namespace

TEST("key exchange: a peer reaches the same secret from our public value") {
  for (const auto& [group, primeOf] : known) {
    about(group);
    BN_CTX* scratch = BN_CTX_new();
    BIGNUM* prime = primeOf(nullptr);
    BIGNUM* secret = BN_new();
    BIGNUM* value = BN_new();
    BN_set_word(secret, 0x1234567);
    BN_set_word(value, 2);
    BN_mod_exp(value, value, secret, prime, scratch);
    const auto exchanged = crypto::exchangeKeys(group, octetsOf(value, BN_num_bytes(prime)));
    CHECK(exchanged.has_value());
    if (exchanged) {
      BN_bin2bn(exchanged->publicValue.data(), static_cast<int>(exchanged->publicValue.size()), value);
      CHECK(BN_cmp(value, prime) < 0);
      BN_mod_exp(value, value, secret, prime, scratch);
      CHECK_EQUAL(exchanged->shared, octetsOf(value, BN_num_bytes(prime)));
      const auto again = crypto::exchangeKeys(group, octetsOf(value, BN_num_bytes(prime)));
      CHECK(again && again->publicValue != exchanged->publicValue);
    }
    BN_free(value);
    BN_free(secret);
    BN_free(prime);
    BN_CTX_free(scratch);
  }
  about("");
}

TEST("key exchange: values that give the secret away are refused") {
  BIGNUM* prime = BN_get_rfc3526_prime_2048(nullptr);
  Octets value(256);
  const auto refused = [&](const Octets& octets) { return !crypto::exchangeKeys("modp2048", octets).has_value(); };
  CHECK(refused(value));
  value.back() = 1;
  CHECK(refused(value));
  value.back() = 2;
  CHECK(!refused(value));
  CHECK(refused(octetsOf(prime, 256)));
  BN_add_word(prime, 1);
  CHECK(refused(octetsOf(prime, 256)));
  BN_sub_word(prime, 2);
  CHECK(refused(octetsOf(prime, 256)));
  BN_sub_word(prime, 1);
  CHECK(!refused(octetsOf(prime, 256)));
  CHECK(refused(Octets(255, 7)));
  CHECK(refused(Octets(257, 7)));
  CHECK(!crypto::exchangeKeys("ecp256", Octets(64, 7)).has_value());
  BN_free(prime);
}

}  // namespace gatehouse::test
