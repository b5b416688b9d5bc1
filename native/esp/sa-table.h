// CONTRACT. Inbound SAs by SPI (RFC 4301 §4.1: we chose the SPI, so that it alone identifies the SA). Looked up by workers without a lock,
// changed by the control thread; what is removed goes to the epoch domain.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>

#include "esp/epoch.h"
#include "esp/sa.h"

namespace gatehouse::esp {

class SaTable {
 public:
  explicit SaTable(EpochDomain& domain);
  /// Destroys the SAs that are left; no worker may be inside.
  ~SaTable();
  SaTable(const SaTable&) = delete;
  SaTable& operator=(const SaTable&) = delete;

  /// False if the SPI is taken: the SA stays with the caller.
  [[nodiscard]] bool add(std::unique_ptr<InboundSa>& sa);
  /// Unlinks and retires. False if there is none.
  bool remove(std::uint32_t spi);
  /// For workers between enter() and leave(), and for the control thread. SPI in host order.
  [[nodiscard]] InboundSa* find(std::uint32_t spi) const noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return size_.load(std::memory_order_relaxed); }

 private:
  struct Slots;

  /// A new array for what is there, of four times its number at most; the old one is retired.
  void rebuild();

  EpochDomain& domain_;
  std::mutex mutex_;
  std::atomic<Slots*> slots_;
  std::atomic<std::size_t> size_{0};
};

}  // namespace gatehouse::esp
