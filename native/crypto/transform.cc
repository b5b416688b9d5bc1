#include "crypto/transform.h"

#include <array>

namespace gatehouse::crypto {

namespace {

struct CipherName {
  std::string_view name;
  Cipher cipher;
  std::uint16_t keyBits;
};

constexpr std::array cipherNames{
    CipherName{"null", Cipher::null, 0},
    CipherName{"des", Cipher::desCbc, 0},
    CipherName{"3des", Cipher::tripleDesCbc, 0},
    CipherName{"aes128", Cipher::aesCbc, 128},
    CipherName{"aes192", Cipher::aesCbc, 192},
    CipherName{"aes256", Cipher::aesCbc, 256},
    CipherName{"aes128gcm16", Cipher::aesGcm, 128},
    CipherName{"aes192gcm16", Cipher::aesGcm, 192},
    CipherName{"aes256gcm16", Cipher::aesGcm, 256},
};

struct IntegrityName {
  std::string_view name;
  Integrity integrity;
};

constexpr std::array integrityNames{
    IntegrityName{"", Integrity::none},
    IntegrityName{"md5", Integrity::hmacMd5_96},
    IntegrityName{"sha1", Integrity::hmacSha1_96},
    IntegrityName{"sha256", Integrity::hmacSha256_128},
    IntegrityName{"sha256_96", Integrity::hmacSha256_96},
    IntegrityName{"sha384", Integrity::hmacSha384_192},
    IntegrityName{"sha512", Integrity::hmacSha512_256},
};

}  // namespace

std::optional<Transform> transformFromNames(std::string_view cipher, std::string_view hash, bool esn) {
  for (const CipherName& c : cipherNames) {
    if (c.name != cipher) continue;
    for (const IntegrityName& i : integrityNames) {
      if (i.name != hash) continue;
      const Transform transform{c.cipher, c.keyBits, i.integrity, esn};
      if (transform.valid()) return transform;
    }
  }
  return std::nullopt;
}

std::optional<Transform> otherTruncation(const Transform& transform) noexcept {
  Transform other = transform;
  if (transform.integrity == Integrity::hmacSha256_128) {
    other.integrity = Integrity::hmacSha256_96;
  } else if (transform.integrity == Integrity::hmacSha256_96) {
    other.integrity = Integrity::hmacSha256_128;
  }
  if (other == transform || transform.blockSize() < 8) return std::nullopt;
  return other;
}

std::string nameOf(const Transform& transform) {
  std::string name = "unknown";
  for (const CipherName& c : cipherNames) {
    if (c.cipher == transform.cipher && (c.keyBits == 0 || c.keyBits == transform.keyBits)) name = c.name;
  }
  for (const IntegrityName& i : integrityNames) {
    if (i.integrity == transform.integrity && !i.name.empty()) name.append("-").append(i.name);
  }
  return name;
}

}  // namespace gatehouse::crypto
