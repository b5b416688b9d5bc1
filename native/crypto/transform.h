// CONTRACT. What an ESP SA does to a packet, as numbers: cipher, integrity, and the lengths that follow from them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gatehouse::crypto {

enum class Cipher : std::uint8_t { null, desCbc, tripleDesCbc, aesCbc, aesGcm };

/// The number behind the underscore is the truncation in bits (RFC 2403, 2404, 4868); hmacSha256_96 is the one of old Androids and Linuxes.
enum class Integrity : std::uint8_t {
  none,
  hmacMd5_96,
  hmacSha1_96,
  hmacSha256_128,
  hmacSha256_96,
  hmacSha384_192,
  hmacSha512_256
};

/// SPI and sequence number (RFC 4303 §2).
inline constexpr std::size_t espHeaderLength = 8;
/// Pad Length and Next Header.
inline constexpr std::size_t espTrailerLength = 2;
/// RFC 4106 §4: four octets at the end of the key material.
inline constexpr std::size_t gcmSaltLength = 4;
inline constexpr std::size_t maximumIvLength = 16;
inline constexpr std::size_t maximumIcvLength = 32;

struct Transform {
  Cipher cipher = Cipher::null;
  /// Of AES: 128, 192 or 256. Ignored with the others.
  std::uint16_t keyBits = 0;
  Integrity integrity = Integrity::none;
  /// Extended sequence numbers: the high half is covered by the integrity value and not sent (RFC 4303 §2.2.1).
  bool esn = false;

  friend constexpr bool operator==(const Transform&, const Transform&) = default;

  /// Octets of the cipher's block, at least 4: what payload, padding and trailer together are a multiple of.
  [[nodiscard]] constexpr std::size_t blockSize() const noexcept {
    switch (cipher) {
      case Cipher::desCbc:
      case Cipher::tripleDesCbc: return 8;
      case Cipher::aesCbc: return 16;
      case Cipher::aesGcm:
      case Cipher::null: break;
    }
    return 4;
  }

  /// Octets of IV in each packet.
  [[nodiscard]] constexpr std::size_t ivLength() const noexcept {
    switch (cipher) {
      case Cipher::desCbc:
      case Cipher::tripleDesCbc:
      case Cipher::aesGcm: return 8;
      case Cipher::aesCbc: return 16;
      case Cipher::null: break;
    }
    return 0;
  }

  [[nodiscard]] constexpr std::size_t icvLength() const noexcept {
    if (cipher == Cipher::aesGcm) return 16;
    switch (integrity) {
      case Integrity::hmacMd5_96:
      case Integrity::hmacSha1_96:
      case Integrity::hmacSha256_96: return 12;
      case Integrity::hmacSha256_128: return 16;
      case Integrity::hmacSha384_192: return 24;
      case Integrity::hmacSha512_256: return 32;
      case Integrity::none: break;
    }
    return 0;
  }

  /// Octets of cipher key material; for GCM with the salt.
  [[nodiscard]] constexpr std::size_t cipherKeyLength() const noexcept {
    switch (cipher) {
      case Cipher::desCbc: return 8;
      case Cipher::tripleDesCbc: return 24;
      case Cipher::aesCbc: return keyBits / 8U;
      case Cipher::aesGcm: return keyBits / 8U + gcmSaltLength;
      case Cipher::null: break;
    }
    return 0;
  }

  /// Octets of the integrity key: that of the hash's output (RFC 2403 §3, 2404 §3, 4868 §2.1.1).
  [[nodiscard]] constexpr std::size_t integrityKeyLength() const noexcept {
    switch (integrity) {
      case Integrity::hmacMd5_96: return 16;
      case Integrity::hmacSha1_96: return 20;
      case Integrity::hmacSha256_128:
      case Integrity::hmacSha256_96: return 32;
      case Integrity::hmacSha384_192: return 48;
      case Integrity::hmacSha512_256: return 64;
      case Integrity::none: break;
    }
    return 0;
  }

  /// A cipher without integrity, integrity beside GCM, or a key length that AES does not have is no transform.
  [[nodiscard]] constexpr bool valid() const noexcept {
    const bool aes = cipher == Cipher::aesCbc || cipher == Cipher::aesGcm;
    if (aes && keyBits != 128 && keyBits != 192 && keyBits != 256) return false;
    return (cipher == Cipher::aesGcm) == (integrity == Integrity::none);
  }

  /// Octets in front of the payload: ESP header and IV.
  [[nodiscard]] constexpr std::size_t headRoom() const noexcept { return espHeaderLength + ivLength(); }
  /// The most octets behind the payload: padding, trailer, ICV.
  [[nodiscard]] constexpr std::size_t tailRoom() const noexcept {
    return blockSize() - 1 + espTrailerLength + icvLength();
  }
  /// Octets from SPI to ICV of a packet with so much payload.
  [[nodiscard]] constexpr std::size_t sealedLength(std::size_t payload) const noexcept {
    const std::size_t block = blockSize();
    return headRoom() + (payload + espTrailerLength + block - 1) / block * block + icvLength();
  }
  /// The most payload whose sealed packet takes no more than `sealed` octets; 0 if none does. For MSS and MTU.
  [[nodiscard]] constexpr std::size_t largestPayload(std::size_t sealed) const noexcept {
    const std::size_t fixed = headRoom() + icvLength();
    if (sealed < fixed + blockSize()) return 0;
    return (sealed - fixed) / blockSize() * blockSize() - espTrailerLength;
  }
};

/// From the names of src/algorithms (`aes128gcm16`, `sha256_96`; no hash: empty). Nothing if a name is unknown or the pair is no transform.
std::optional<Transform> transformFromNames(std::string_view cipher, std::string_view hash, bool esn);

/// The same with SHA2-256 cut to the other length: a draft of RFC 4868 said 96 bits, and Linux before 2.6.33 with all Androids of its time does so. Nothing
/// for other transforms, nor for NULL, with which a packet's length does not tell the two apart.
std::optional<Transform> otherTruncation(const Transform& transform) noexcept;

/// `aes128-sha1`, `aes128gcm16`: as proposal strings write it.
std::string nameOf(const Transform& transform);

}  // namespace gatehouse::crypto
