// Epoch-based reclamation. A reader writes down the epoch when it enters; the control thread unlinks an object, moves the epoch on, and may destroy
// the object once every reader is outside or has entered at the new epoch. All of it in sequentially consistent order: a reader that the control
// thread did not see inside will not see the object (its look into the table comes after the unlinking).
#include "esp/epoch.h"

#include <sched.h>

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <utility>

namespace gatehouse::esp {

EpochDomain::Reader::Reader(EpochDomain& domain) : domain_(domain), slot_(0) {
  for (Slot& slot : domain_.slots_) {
    bool free = false;
    if (slot.taken.compare_exchange_strong(free, true)) return;
    ++slot_;
  }
  throw std::length_error("no more than " + std::to_string(maximumReaders) + " readers in an epoch domain");
}

EpochDomain::Reader::~Reader() {
  leave();
  domain_.slots_[slot_].taken.store(false);
}

void EpochDomain::Reader::enter() noexcept { domain_.slots_[slot_].epoch.exchange(domain_.epoch_.load()); }

void EpochDomain::Reader::leave() noexcept { domain_.slots_[slot_].epoch.store(0, std::memory_order_release); }

EpochDomain::~EpochDomain() {
  for (const Retired& retired : retired_) retired.destroy(retired.object);
}

void EpochDomain::retire(void* object, void (*destroy)(void*)) {
  const std::lock_guard lock(mutex_);
  retired_.push_back({epoch_.fetch_add(1) + 1, object, destroy});
}

std::uint64_t EpochDomain::oldestReader() const noexcept {
  std::uint64_t oldest = std::numeric_limits<std::uint64_t>::max();
  for (const Slot& slot : slots_) {
    const std::uint64_t epoch = slot.epoch.load();
    if (epoch != 0) oldest = std::min(oldest, epoch);
  }
  return oldest;
}

std::size_t EpochDomain::collect() {
  std::vector<Retired> done;
  std::size_t left = 0;
  {
    const std::lock_guard lock(mutex_);
    const std::uint64_t oldest = oldestReader();
    // Not std::ranges: clang 14, which fuzzes this, does not take libstdc++'s subranges.
    const auto free =
        std::partition(retired_.begin(), retired_.end(), [&](const Retired& r) { return r.epoch > oldest; });
    done.assign(free, retired_.end());
    retired_.erase(free, retired_.end());
    left = retired_.size();
  }
  // Outside the lock: what is destroyed may retire something in turn.
  for (const Retired& retired : done) retired.destroy(retired.object);
  return left;
}

void EpochDomain::synchronize() {
  const std::uint64_t target = epoch_.fetch_add(1) + 1;
  while (oldestReader() < target) sched_yield();
  collect();
}

}  // namespace gatehouse::esp
