// Open addressing with linear probing. A slot's SPI is written once in the life of its array and never taken back: removing an SA empties only its
// pointer, so that a reader in the middle of a probe never loses its way. When half of the array is used, a new array takes its place and the old one
// is retired.
#include "esp/sa-table.h"

#include <utility>

namespace gatehouse::esp {

struct SaTable::Slots {
  struct Slot {
    /// 0: never used; the probe ends here.
    std::atomic<std::uint32_t> spi{0};
    std::atomic<InboundSa*> sa{nullptr};
  };

  explicit Slots(std::size_t capacity) : mask(capacity - 1), slots(std::make_unique<Slot[]>(capacity)) {}

  [[nodiscard]] std::size_t start(std::uint32_t spi) const noexcept {
    // SPIs are chosen at random here, but a peer's fault may not make them collide in their low bits.
    return static_cast<std::size_t>(spi * std::uint64_t{0x9e3779b97f4a7c15} >> 32) & mask;
  }

  /// The SPI's slot, or the unused one where its probe ends.
  [[nodiscard]] Slot& probe(std::uint32_t spi) const noexcept {
    for (std::size_t i = start(spi);; i = (i + 1) & mask) {
      const std::uint32_t found = slots[i].spi.load(std::memory_order_acquire);
      if (found == spi || found == 0) return slots[i];
    }
  }

  std::size_t mask;
  std::size_t used = 0;
  std::unique_ptr<Slot[]> slots;
};

namespace {
constexpr std::size_t initialCapacity = 64;
}

SaTable::SaTable(EpochDomain& domain) : domain_(domain), slots_(new Slots(initialCapacity)) {}

SaTable::~SaTable() {
  const std::unique_ptr<Slots> slots(slots_.load());
  for (std::size_t i = 0; i <= slots->mask; ++i) delete slots->slots[i].sa.load();
}

InboundSa* SaTable::find(std::uint32_t spi) const noexcept {
  if (spi == 0) return nullptr;
  return slots_.load()->probe(spi).sa.load();
}

bool SaTable::add(std::unique_ptr<InboundSa>& sa) {
  const std::lock_guard lock(mutex_);
  Slots* slots = slots_.load();
  Slots::Slot* slot = &slots->probe(sa->spi());
  if (slot->sa.load() != nullptr) return false;
  if (slot->spi.load() == 0) {
    if ((slots->used + 1) * 2 > slots->mask + 1) {
      rebuild();
      slots = slots_.load();
      slot = &slots->probe(sa->spi());
    }
    ++slots->used;
  }
  const std::uint32_t spi = sa->spi();
  slot->sa.store(sa.release());
  slot->spi.store(spi, std::memory_order_release);
  size_.fetch_add(1, std::memory_order_relaxed);
  return true;
}

bool SaTable::remove(std::uint32_t spi) {
  const std::lock_guard lock(mutex_);
  if (spi == 0) return false;
  std::unique_ptr<InboundSa> sa(slots_.load()->probe(spi).sa.exchange(nullptr));
  if (!sa) return false;
  size_.fetch_sub(1, std::memory_order_relaxed);
  domain_.retire(std::move(sa));
  return true;
}

void SaTable::rebuild() {
  std::unique_ptr<Slots> old(slots_.load());
  std::size_t capacity = initialCapacity;
  while (capacity < (size() + 1) * 4) capacity *= 2;
  auto fresh = std::make_unique<Slots>(capacity);
  for (std::size_t i = 0; i <= old->mask; ++i) {
    InboundSa* sa = old->slots[i].sa.load();
    if (sa == nullptr) continue;
    Slots::Slot& slot = fresh->probe(sa->spi());
    slot.sa.store(sa);
    slot.spi.store(sa->spi());
    ++fresh->used;
  }
  slots_.store(fresh.release());
  domain_.retire(std::move(old));
}

}  // namespace gatehouse::esp
