// What was counted on the way of a packet, by name. One object for each thread that counts; the sums are read by the main thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>

namespace gatehouse::pipeline {

enum class Counter : uint8_t {
  ikeIn,
  keepaliveIn,
  espIn,
  espOut,
  tunIn,
  tunOut,
  dropTooShort,
  dropUnknownSpi,
  dropReplayed,
  dropForged,
  dropMalformed,
  dropDummy,
  dropEngine,
  dropEncapsulation,
  dropNotL2tp,
  dropStray,
  dropUnconfigured,
  dropInner,
  dropSource,
  dropNoRoute,
  dropNoPair,
  dropTooBig,
  dropExhausted,
  dropSend,
  dropTunWrite,
  dropIkeRingFull,
  dropEventRingFull,
  fragmented,
  mssClamped,
  cutByHand,
  tunGone,
  held,
  dropHeld,
  dropSelector,
  truncationSwitched,
  congestionMarked,
  dropCongested,
  count
};

constexpr std::array<std::string_view, static_cast<size_t>(Counter::count)> counterNames = {"ikeIn",
                                                                                            "keepaliveIn",
                                                                                            "espIn",
                                                                                            "espOut",
                                                                                            "tunIn",
                                                                                            "tunOut",
                                                                                            "dropTooShort",
                                                                                            "dropUnknownSpi",
                                                                                            "dropReplayed",
                                                                                            "dropForged",
                                                                                            "dropMalformed",
                                                                                            "dropDummy",
                                                                                            "dropEngine",
                                                                                            "dropEncapsulation",
                                                                                            "dropNotL2tp",
                                                                                            "dropStray",
                                                                                            "dropUnconfigured",
                                                                                            "dropInner",
                                                                                            "dropSource",
                                                                                            "dropNoRoute",
                                                                                            "dropNoPair",
                                                                                            "dropTooBig",
                                                                                            "dropExhausted",
                                                                                            "dropSend",
                                                                                            "dropTunWrite",
                                                                                            "dropIkeRingFull",
                                                                                            "dropEventRingFull",
                                                                                            "fragmented",
                                                                                            "mssClamped",
                                                                                            "cutByHand",
                                                                                            "tunGone",
                                                                                            "held",
                                                                                            "dropHeld",
                                                                                            "dropSelector",
                                                                                            "truncationSwitched",
                                                                                            "congestionMarked",
                                                                                            "dropCongested"};

class Counters {
 public:
  /// Only by the thread that owns it.
  void add(Counter which, uint64_t by = 1) {
    auto& value = values_[static_cast<size_t>(which)];
    value.store(value.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
  }
  [[nodiscard]] uint64_t get(size_t which) const { return values_[which].load(std::memory_order_relaxed); }

 private:
  alignas(64) std::array<std::atomic<uint64_t>, static_cast<size_t>(Counter::count)> values_{};
};

}  // namespace gatehouse::pipeline
