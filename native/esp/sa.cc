#include "esp/sa.h"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace gatehouse::esp {

namespace {

std::unique_ptr<crypto::Key> checked(std::uint32_t spi, std::unique_ptr<crypto::Key> key, crypto::Direction direction) {
  // 0 is local use, 1 to 255 are reserved (RFC 4303 §2.1).
  if (spi <= 255) throw std::invalid_argument("SPI " + std::to_string(spi) + " is reserved; SAs have 256 and above");
  if (!key || key->direction() != direction) throw std::invalid_argument("the SA's key is of the other direction");
  return key;
}

}  // namespace

InboundSa::InboundSa(std::uint32_t spi, std::unique_ptr<crypto::Key> key, std::uint32_t replayWindow, void* owner,
                     std::unique_ptr<crypto::Key> other)
    : key_(checked(spi, std::move(key), crypto::Direction::open)),
      owner_(owner),
      spi_(spi),
      headRoom_(static_cast<std::uint8_t>(key_->transform().headRoom())),
      icvLength_(static_cast<std::uint8_t>(key_->transform().icvLength())),
      blockSize_(static_cast<std::uint8_t>(key_->transform().blockSize())),
      truncation_(other ? Truncation::open : Truncation::full),
      window_(replayWindow, key_->transform().esn),
      other_(std::move(other)) {}

std::size_t InboundSa::truncation() const noexcept {
  if (!other_) return 0;
  switch (truncation_.load(std::memory_order_relaxed)) {
    case Truncation::shorter: return std::min(key_->icvLength(), other_->icvLength());
    case Truncation::full: return std::max(key_->icvLength(), other_->icvLength());
    case Truncation::open: break;
  }
  return key_->icvLength();
}

Counters InboundSa::counters() const noexcept {
  constexpr auto relaxed = std::memory_order_relaxed;
  return {.packets = packets_.load(relaxed),
          .octets = octets_.load(relaxed),
          .replayed = replayed_.load(relaxed),
          .forged = forged_.load(relaxed),
          .malformed = malformed_.load(relaxed),
          .dummies = dummies_.load(relaxed)};
}

OutboundSa::OutboundSa(std::uint32_t spi, std::unique_ptr<crypto::Key> key, void* owner, std::uint64_t sent,
                       std::unique_ptr<crypto::Key> other)
    : key_(checked(spi, std::move(key), crypto::Direction::seal)),
      owner_(owner),
      spi_(spi),
      headRoom_(static_cast<std::uint8_t>(key_->transform().headRoom())),
      icvLength_(static_cast<std::uint8_t>(key_->transform().icvLength())),
      blockSize_(static_cast<std::uint8_t>(key_->transform().blockSize())),
      counterIv_(key_->transform().cipher == crypto::Cipher::aesGcm),
      largestPayload_(
          static_cast<std::uint32_t>(std::min(key_->transform().largestPayload(maximumPacket),
                                              (other ? *other : *key_).transform().largestPayload(maximumPacket)))),
      lastSequence_(key_->transform().esn ? std::numeric_limits<std::uint64_t>::max()
                                          : std::numeric_limits<std::uint32_t>::max()),
      lowSequence_(std::max(lastSequence_ / 4 * 3, std::min(sent, lastSequence_ - 1) + 1)),
      sequence_(sent),
      initialSequence_(sent),
      other_(std::move(other)) {}

Counters OutboundSa::counters() const noexcept {
  return {.packets = sequence() - initialSequence_, .octets = octets_.load(std::memory_order_relaxed)};
}

}  // namespace gatehouse::esp
