// What the kernel's crypto API says that it has: the entries of /proc/crypto as values. The AF_ALG engine asks it which driver serves and whether
// that one is asynchronous; linux/crypto-user.h gives the same values by netlink.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gatehouse::crypto {

/// What makes the octets, as far as the kernel tells.
enum class Made : std::uint8_t {
  /// /proc/crypto does not say it.
  unknown,
  /// A device behind a driver of its own (CRYPTO_ALG_KERN_DRIVER_ONLY).
  device,
  processor
};

struct KernelAlgorithm {
  /// `cbc(aes)`.
  std::string name{};
  /// `cbc-aes-aesni`.
  std::string driver{};
  /// `kernel` where it is built in.
  std::string module{};
  /// `skcipher`, `aead`, `shash`, `ahash` …
  std::string type{};
  std::int32_t priority = 0;
  std::int32_t references = 0;
  bool asynchronous = false;
  bool selfTestPassed = false;
  /// A part of another driver, which nobody may ask for.
  bool internal = false;
  /// Made by the kernel of a template and other algorithms (`authenc(hmac(sha1-generic),cbc-aes-aesni)`).
  bool instance = false;
  Made made = Made::unknown;

  friend bool operator==(const KernelAlgorithm&, const KernelAlgorithm&) = default;
};

/// The text of /proc/crypto. Entries without name or driver, and those that are only being waited for (larval), are left out.
std::vector<KernelAlgorithm> parseProcCrypto(std::string_view text);

/// Reads /proc/crypto; empty where there is none.
std::vector<KernelAlgorithm> readProcCrypto();

/// The entry that the kernel takes for a name: of this driver, or else of this algorithm with the highest priority. Null if there is none that passed
/// its self-test.
const KernelAlgorithm* choose(const std::vector<KernelAlgorithm>& algorithms, std::string_view name);

}  // namespace gatehouse::crypto
