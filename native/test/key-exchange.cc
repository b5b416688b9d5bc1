// Both ends of an exchange against plain exponentiation, and what is refused.
#include "crypto/key-exchange.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/obj_mac.h>

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

TEST("key exchange: ECP256: a peer reaches the same secret from our public value") {
  EC_GROUP* group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
  BN_CTX* scratch = BN_CTX_new();
  BIGNUM* secret = BN_new();
  BIGNUM* x = BN_new();
  BIGNUM* y = BN_new();
  EC_POINT* point = EC_POINT_new(group);
  BN_set_word(secret, 0x1234567);
  EC_POINT_mul(group, point, secret, nullptr, nullptr, scratch);
  EC_POINT_get_affine_coordinates(group, point, x, y, scratch);
  Octets value = octetsOf(x, 32);
  const Octets second = octetsOf(y, 32);
  value.insert(value.end(), second.begin(), second.end());
  const auto exchanged = crypto::exchangeKeys("ecp256", value);
  const auto again = crypto::exchangeKeys("ecp256", value);
  CHECK(exchanged && again && exchanged->publicValue != again->publicValue);
  if (exchanged) {
    BN_bin2bn(exchanged->publicValue.data(), 32, x);
    BN_bin2bn(&exchanged->publicValue[32], 32, y);
    CHECK_EQUAL(EC_POINT_set_affine_coordinates(group, point, x, y, scratch), 1);
    EC_POINT_mul(group, point, nullptr, point, secret, scratch);
    EC_POINT_get_affine_coordinates(group, point, x, y, scratch);
    CHECK_EQUAL(exchanged->shared, octetsOf(x, 32));
  }
  EC_POINT_free(point);
  BN_free(y);
  BN_free(x);
  BN_free(secret);
  BN_CTX_free(scratch);
  EC_GROUP_free(group);
}

// RFC 5903 §7, SEC 1 §3.2.2.1: a point off the curve would tell the private value bit by bit.
TEST("key exchange: ECP256: what is no point of the curve is refused") {
  const auto refused = [](const Octets& octets) { return !crypto::exchangeKeys("ecp256", octets).has_value(); };
  // RFC 5903 §8.1's point, then with its last bit turned.
  Octets value = fromHex(
      "D12DFB5289C8D4F81208B70270398C342296970A0BCCB74C736FC7554494BF6356FBF3CA366CC23E8157854C13C58D6AAC23F046ADA30F83"
      "53"
      "E74F33039872AB");
  CHECK(!refused(value));
  value.back() ^= 1;
  CHECK(refused(value));
  CHECK(refused(Octets(64)));
  CHECK(refused(Octets(64, 0xFF)));
  value.back() ^= 1;
  value.push_back(0);
  CHECK(refused(value));
  CHECK(refused(Octets(63, 7)));
  CHECK(refused({}));
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
