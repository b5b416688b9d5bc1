#include "crypto/key-exchange.h"

#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/obj_mac.h>

#include <array>
#include <memory>
#include <mutex>

#include "crypto/wipe.h"

namespace gatehouse::crypto {
namespace {

struct Free {
  void operator()(BIGNUM* number) const { BN_clear_free(number); }
  void operator()(BN_CTX* scratch) const { BN_CTX_free(scratch); }
  void operator()(BN_MONT_CTX* context) const { BN_MONT_CTX_free(context); }
  void operator()(EC_POINT* point) const { EC_POINT_clear_free(point); }
};
using Number = std::unique_ptr<BIGNUM, Free>;
using Scratch = std::unique_ptr<BN_CTX, Free>;
using Point = std::unique_ptr<EC_POINT, Free>;

struct Group {
  std::string_view name;
  /// RFC 2409 §6, RFC 3526.
  BIGNUM* (*prime)(BIGNUM*);
  /// Of a private value: twice the strength that RFC 7919 app. A gives a group of this size, which it calls sufficient; smaller groups have the least of it.
  int privateBits;
};

constexpr std::array<Group, 6> groups{{
    {"modp768", BN_get_rfc2409_prime_768, 225},
    {"modp1024", BN_get_rfc2409_prime_1024, 225},
    {"modp1536", BN_get_rfc3526_prime_1536, 225},
    {"modp2048", BN_get_rfc3526_prime_2048, 225},
    {"modp3072", BN_get_rfc3526_prime_3072, 275},
    {"modp4096", BN_get_rfc3526_prime_4096, 325},
}};

/// What is computed once for a group; read by any number of threads.
struct Prepared {
  Number prime;
  Number last;
  Number generator;
  std::unique_ptr<BN_MONT_CTX, Free> montgomery;

  bool usable() const { return prime && last && generator && montgomery; }
};

Prepared prepare(const Group& group) {
  OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, nullptr);
  Prepared made;
  made.prime.reset(group.prime(nullptr));
  made.last.reset(made.prime ? BN_dup(made.prime.get()) : nullptr);
  made.generator.reset(BN_new());
  made.montgomery.reset(BN_MONT_CTX_new());
  const Scratch scratch(BN_CTX_new());
  const bool fine = made.usable() && scratch && BN_sub_word(made.last.get(), 1) == 1 &&
                    BN_set_word(made.generator.get(), 2) == 1 &&
                    BN_MONT_CTX_set(made.montgomery.get(), made.prime.get(), scratch.get()) == 1;
  if (!fine) made.montgomery.reset();
  return made;
}

/// Nullptr where memory was short at the first use.
const Prepared* prepared(std::size_t index) {
  // Never destroyed: a thread of the pool may still be at work when the process ends.
  static auto& once = *new std::array<std::once_flag, groups.size()>;
  static auto& all = *new std::array<Prepared, groups.size()>;
  std::call_once(once[index], [&] { all[index] = prepare(groups[index]); });
  return all[index].usable() ? &all[index] : nullptr;
}

bool write(const BIGNUM* number, std::size_t octets, std::vector<std::uint8_t>& to) {
  to.resize(octets);
  return BN_bn2binpad(number, to.data(), static_cast<int>(octets)) == static_cast<int>(octets);
}

constexpr std::size_t p256Octets = 32;

/// Nullptr where memory was short at the first use. Read by any number of threads, never destroyed.
const EC_GROUP* p256() {
  static const EC_GROUP* const group = [] {
    OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, nullptr);
    return EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
  }();
  return group;
}

/// RFC 5903 §7: a public value is x and y, the secret x alone. A point off the curve is refused where it is set; there is none of small order.
std::optional<Exchanged> exchangeP256(std::span<const std::uint8_t> peerPublic) {
  const EC_GROUP* group = p256();
  if (group == nullptr || peerPublic.size() != 2 * p256Octets) return std::nullopt;
  const Scratch scratch(BN_CTX_new());
  const Number secret(BN_new());
  const Number x(BN_bin2bn(peerPublic.data(), p256Octets, nullptr));
  const Number y(BN_bin2bn(&peerPublic[p256Octets], p256Octets, nullptr));
  const Point peer(EC_POINT_new(group));
  const Point ours(EC_POINT_new(group));
  const Point shared(EC_POINT_new(group));
  if (!scratch || !secret || !x || !y || !peer || !ours || !shared) return std::nullopt;
  if (EC_POINT_set_affine_coordinates(group, peer.get(), x.get(), y.get(), scratch.get()) != 1) return std::nullopt;
  // As libcrypto's own keys have it: the time of what is done with a number so marked does not depend on it.
  BN_set_flags(secret.get(), BN_FLG_CONSTTIME);
  do {
    if (BN_priv_rand_range(secret.get(), EC_GROUP_get0_order(group)) != 1) return std::nullopt;
  } while (BN_is_zero(secret.get()));
  Exchanged result;
  result.publicValue.resize(2 * p256Octets);
  result.shared.resize(p256Octets);
  const auto coordinates = [&](const EC_POINT* point) {
    return EC_POINT_get_affine_coordinates(group, point, x.get(), y.get(), scratch.get()) == 1;
  };
  const auto put = [&](const BIGNUM* number, std::uint8_t* to) {
    return BN_bn2binpad(number, to, p256Octets) == static_cast<int>(p256Octets);
  };
  const bool fine = EC_POINT_mul(group, ours.get(), secret.get(), nullptr, nullptr, scratch.get()) == 1 &&
                    coordinates(ours.get()) && put(x.get(), result.publicValue.data()) &&
                    put(y.get(), &result.publicValue[p256Octets]) &&
                    EC_POINT_mul(group, shared.get(), nullptr, peer.get(), secret.get(), scratch.get()) == 1 &&
                    EC_POINT_is_at_infinity(group, shared.get()) == 0 && coordinates(shared.get()) &&
                    put(x.get(), result.shared.data());
  if (!fine) return std::nullopt;
  return result;
}

}  // namespace

Exchanged::~Exchanged() { wipe(std::span(shared)); }

std::optional<Exchanged> exchangeKeys(std::string_view name, std::span<const std::uint8_t> peerPublic) {
  if (name == "ecp256") return exchangeP256(peerPublic);
  std::size_t index = 0;
  while (index < groups.size() && groups[index].name != name) index++;
  const Prepared* group = index < groups.size() ? prepared(index) : nullptr;
  if (group == nullptr) return std::nullopt;
  const auto octets = static_cast<std::size_t>(BN_num_bytes(group->prime.get()));
  if (peerPublic.size() != octets) return std::nullopt;
  const Scratch scratch(BN_CTX_new());
  const Number peer(BN_bin2bn(peerPublic.data(), static_cast<int>(octets), nullptr));
  const Number secret(BN_new());
  const Number ours(BN_new());
  const Number shared(BN_new());
  if (!scratch || !peer || !secret || !ours || !shared) return std::nullopt;
  if (BN_is_zero(peer.get()) || BN_is_one(peer.get()) || BN_cmp(peer.get(), group->last.get()) >= 0)
    return std::nullopt;
  const auto power = [&](BIGNUM* result, const BIGNUM* base) {
    return BN_mod_exp_mont_consttime(result, base, secret.get(), group->prime.get(), scratch.get(),
                                     group->montgomery.get()) == 1;
  };
  // Its highest bit is set, so that its length, on which the time depends, is always the same.
  if (BN_priv_rand(secret.get(), groups[index].privateBits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) != 1 ||
      !power(ours.get(), group->generator.get()) || !power(shared.get(), peer.get()))
    return std::nullopt;
  Exchanged result;
  if (!write(ours.get(), octets, result.publicValue) || !write(shared.get(), octets, result.shared))
    return std::nullopt;
  return result;
}

}  // namespace gatehouse::crypto
