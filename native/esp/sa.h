// CONTRACT. The two directions of an ESP SA (RFC 4301 §4.4.2) as the data plane sees them. Made by the control thread, used by any worker,
// destroyed by the control thread when no worker can see them (epoch.h).
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>

#include "crypto/engine.h"
#include "esp/replay-window.h"
#include "esp/spin-lock.h"

namespace gatehouse::esp {

/// The longest ESP packet: what an IPv4 datagram carries.
inline constexpr std::size_t maximumPacket = 65535 - 20;

/// Since the SA was made. Octets are those of ESP payloads, padding left out.
struct Counters {
  std::uint64_t packets = 0;
  std::uint64_t octets = 0;
  /// Inbound: seen before, or left of the window; wrong integrity value; authenticated, but padding or length broken; next header 59.
  std::uint64_t replayed = 0;
  std::uint64_t forged = 0;
  std::uint64_t malformed = 0;
  std::uint64_t dummies = 0;

  friend bool operator==(const Counters&, const Counters&) = default;
};

/// How long the peer's integrity values are, where SHA2-256 has two forms (crypto::otherTruncation): its authentic packets tell. Whoever takes four octets
/// off a packet of a peer that has the full form makes an authentic one of the shorter form, but nobody makes a full one: so full is final, and shorter is not.
enum class Truncation : std::uint8_t { open, shorter, full };

class alignas(64) InboundSa {
 public:
  /// `owner` is the caller's: what the SA belongs to. It must live as long as the SA.
  /// `other` is the key of the other truncation, or null: then there is nothing to find out.
  /// Throws std::invalid_argument for SPI 0..255 or a key of the other direction.
  InboundSa(std::uint32_t spi, std::unique_ptr<crypto::Key> key, std::uint32_t replayWindow = defaultReplayWindow,
            void* owner = nullptr, std::unique_ptr<crypto::Key> other = nullptr);

  [[nodiscard]] std::uint32_t spi() const noexcept { return spi_; }
  [[nodiscard]] const crypto::Transform& transform() const noexcept { return key_->transform(); }
  [[nodiscard]] void* owner() const noexcept { return owner_; }
  /// Before any worker can see the SA.
  void setOwner(void* owner) noexcept { owner_ = owner; }
  [[nodiscard]] const ReplayWindow& window() const noexcept { return window_; }
  /// Octets of the peer's integrity values, as far as its packets have told; 0 where there are no two forms.
  [[nodiscard]] std::size_t truncation() const noexcept;
  [[nodiscard]] Counters counters() const noexcept;

 private:
  friend class Worker;

  std::unique_ptr<crypto::Key> key_;
  void* owner_;
  std::uint32_t spi_;
  // The key's lengths again, beside what each packet touches.
  std::uint8_t headRoom_;
  std::uint8_t icvLength_;
  std::uint8_t blockSize_;
  /// What is final may be so from the start.
  std::atomic<Truncation> truncation_;
  ReplayWindow window_;
  // Written under the window's lock.
  std::atomic<std::uint64_t> packets_{0};
  std::atomic<std::uint64_t> octets_{0};
  // Rare; written by anybody.
  std::atomic<std::uint64_t> replayed_{0};
  std::atomic<std::uint64_t> forged_{0};
  std::atomic<std::uint64_t> malformed_{0};
  std::atomic<std::uint64_t> dummies_{0};
  std::unique_ptr<crypto::Key> other_;
};

class alignas(64) OutboundSa {
 public:
  /// `sent`: sequence numbers taken as used already; for tests and for an SA that moves between processes.
  /// Throws std::invalid_argument for SPI 0..255 or a key of the other direction.
  /// `other`: as an InboundSa's.
  OutboundSa(std::uint32_t spi, std::unique_ptr<crypto::Key> key, void* owner = nullptr, std::uint64_t sent = 0,
             std::unique_ptr<crypto::Key> other = nullptr);

  [[nodiscard]] std::uint32_t spi() const noexcept { return spi_; }
  [[nodiscard]] const crypto::Transform& transform() const noexcept { return key_->transform(); }
  [[nodiscard]] void* owner() const noexcept { return owner_; }
  /// Before any worker can see the SA.
  void setOwner(void* owner) noexcept { owner_ = owner; }
  /// The last sequence number used.
  [[nodiscard]] std::uint64_t sequence() const noexcept { return sequence_.load(std::memory_order_relaxed); }
  [[nodiscard]] Counters counters() const noexcept;

  /// From now on with integrity values of so many octets. True if that is a change. Any thread.
  bool truncate(std::size_t octets) noexcept {
    const bool wanted = other_ && other_->icvLength() == octets;
    return switched_.exchange(wanted, std::memory_order_relaxed) != wanted;
  }
  [[nodiscard]] bool switched() const noexcept { return switched_.load(std::memory_order_relaxed); }

  // For MSS, MTU and buffers: see Transform. Right for both truncations.
  [[nodiscard]] std::size_t headRoom() const noexcept { return key_->transform().headRoom(); }
  [[nodiscard]] std::size_t tailRoom() const noexcept { return longest().tailRoom(); }
  [[nodiscard]] std::size_t largestPayload(std::size_t sealed) const noexcept {
    return longest().largestPayload(sealed);
  }
  /// `switched` as the packet's.
  [[nodiscard]] std::size_t sealedLength(std::size_t payload, bool switched) const noexcept {
    return (switched ? other_ : key_)->transform().sealedLength(payload);
  }

 private:
  friend class Worker;

  [[nodiscard]] const crypto::Transform& longest() const noexcept {
    return other_ && other_->icvLength() > key_->icvLength() ? other_->transform() : key_->transform();
  }

  std::unique_ptr<crypto::Key> key_;
  void* owner_;
  std::uint32_t spi_;
  std::uint8_t headRoom_;
  std::uint8_t icvLength_;
  std::uint8_t blockSize_;
  /// GCM: the IV is the sequence number, which never repeats under one key (RFC 4106 §3.1). Otherwise it is random.
  bool counterIv_;
  // What a packet touches ends with the first line of the cache.
  SpinLock lock_;
  /// The most octets that one packet takes.
  std::uint32_t largestPayload_;
  /// Numbers end here: 2^32 - 1, or 2^64 - 1 with ESN. Never wraps (RFC 4303 §3.3.3).
  std::uint64_t lastSequence_;
  /// Three quarters of them: time for a successor.
  std::uint64_t lowSequence_;
  // Written under the lock.
  std::atomic<std::uint64_t> sequence_;
  std::atomic<std::uint64_t> octets_{0};
  std::uint64_t initialSequence_;
  std::unique_ptr<crypto::Key> other_;
  std::atomic<bool> switched_{false};
};

}  // namespace gatehouse::esp
