// CONTRACT. One interface for everything that can encrypt and authenticate ESP packets: ipsec-mb, OpenSSL, and by AF_ALG what the kernel has.
// It works on batches of whole packets of many SAs, because that is what fills the lanes of a multi-buffer library.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/transform.h"

namespace gatehouse::crypto {

enum class Direction : std::uint8_t { seal, open };

/// The expanded key of one SA in one direction, in the form of the engine that made it. Read-only after that, so that any number of contexts
/// may use it at once; wiped when destroyed.
class Key {
 public:
  Key(const Key&) = delete;
  Key& operator=(const Key&) = delete;
  virtual ~Key() = default;

  [[nodiscard]] const Transform& transform() const noexcept { return transform_; }
  [[nodiscard]] Direction direction() const noexcept { return direction_; }
  // The transform's lengths, worked out once.
  [[nodiscard]] std::size_t headRoom() const noexcept { return headRoom_; }
  [[nodiscard]] std::size_t icvLength() const noexcept { return icvLength_; }
  /// Octets of the cipher's own block: 1 where it has none.
  [[nodiscard]] std::size_t cipherBlock() const noexcept { return cipherBlock_; }

 protected:
  Key(const Transform& transform, Direction direction)
      : transform_(transform),
        direction_(direction),
        headRoom_(static_cast<std::uint8_t>(transform.headRoom())),
        icvLength_(static_cast<std::uint8_t>(transform.icvLength())),
        cipherBlock_(static_cast<std::uint8_t>(
            transform.cipher == Cipher::null || transform.cipher == Cipher::aesGcm ? 1 : transform.blockSize())) {}

 private:
  Transform transform_;
  Direction direction_;
  std::uint8_t headRoom_;
  std::uint8_t icvLength_;
  std::uint8_t cipherBlock_;
};

enum class Status : std::uint8_t {
  ok,
  /// open: the integrity value is wrong. The packet's octets are spoiled.
  badIntegrity,
  /// The length does not fit the cipher, or the engine failed. The packet's octets may be spoiled.
  failed
};

/// One packet, contiguous and worked on in place:
///
///     packet: | SPI | sequence low | IV | payload, padding, trailer | ICV |
///             <------------------- length ----------------------->
///
/// seal: header, IV and plaintext are there; ciphertext replaces the plaintext, the ICV is written behind `length`.
/// open: the ICV behind `length` is compared in constant time; plaintext replaces the ciphertext. The ICV's octets may be overwritten.
struct Job {
  /// Of the same engine as the context, of the direction that is called.
  Key* key = nullptr;
  std::uint8_t* packet = nullptr;
  std::uint32_t length = 0;
  /// High half of the extended sequence number; used only with Transform::esn.
  std::uint32_t sequenceHigh = 0;
  Status status = Status::failed;
};

/// One thread's part of an engine: lanes, scratch memory. Not to be used by two threads at once. Neither function allocates or throws
/// (OpenSSL's and AF_ALG's contexts allocate once for each key and thread).
class Context {
 public:
  Context() = default;
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  virtual ~Context() = default;

  /// Any number of jobs; all are done and have a status when it returns.
  virtual void seal(std::span<Job> jobs) noexcept = 0;
  virtual void open(std::span<Job> jobs) noexcept = 0;
};

/// Outlives its keys and contexts. All functions may be called from any thread.
class Engine {
 public:
  Engine() = default;
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  virtual ~Engine() = default;

  /// `ipsec-mb`, `openssl`, `af-alg`, `af-alg:virtio_crypto_aes_cbc`.
  [[nodiscard]] virtual std::string_view name() const noexcept = 0;
  /// For people: `ipsec-mb 1.3.0 (AVX512)`.
  [[nodiscard]] virtual std::string description() const = 0;
  [[nodiscard]] virtual bool supports(const Transform& transform) const noexcept = 0;
  /// Copies what it needs; the caller wipes its own. Throws std::invalid_argument, with a sentence, for a transform that is not supported, for
  /// key lengths that are not the transform's, or if the kernel refuses.
  [[nodiscard]] virtual std::unique_ptr<Key> expand(const Transform& transform, Direction direction,
                                                    std::span<const std::uint8_t> cipherKey,
                                                    std::span<const std::uint8_t> integrityKey) const = 0;
  /// One for each worker thread.
  [[nodiscard]] virtual std::unique_ptr<Context> makeContext() = 0;
  /// For `bench`, as the limit of everything else: the library's own calls and nothing besides. Opening computes the integrity value and doesn't compare it;
  /// jobs must be right. By default the same as makeContext().
  [[nodiscard]] virtual std::unique_ptr<Context> makeBareContext() { return makeContext(); }
};

/// Names that makeEngine takes on this machine, the best first.
std::vector<std::string_view> engineNames();

/// Empty name: the best. `af-alg:DRIVER` is AF_ALG with one of the kernel's drivers instead of the kernel's choice (af-alg.h). Null if there is none of that name here.
std::unique_ptr<Engine> makeEngine(std::string_view name = {});

}  // namespace gatehouse::crypto
