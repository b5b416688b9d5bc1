// CONTRACT. When may the control thread destroy what workers read without a lock? When each worker has been outside once since it was unlinked.
// Used for SAs; the pipeline's peers and sessions can share the same domain.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace gatehouse::esp {

class EpochDomain {
 public:
  static constexpr std::size_t maximumReaders = 128;

  /// One worker thread's place. enter() before the first look into a shared table in a batch, leave() after the last use of what was found.
  class Reader {
   public:
    explicit Reader(EpochDomain& domain);
    ~Reader();
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;

    void enter() noexcept;
    void leave() noexcept;

   private:
    EpochDomain& domain_;
    std::size_t slot_;
  };

  /// For scopes: enters and leaves.
  class Guard {
   public:
    explicit Guard(Reader& reader) noexcept : reader_(reader) { reader_.enter(); }
    ~Guard() { reader_.leave(); }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

   private:
    Reader& reader_;
  };

  EpochDomain() = default;
  /// Destroys everything that is retired. No reader may be left.
  ~EpochDomain();
  EpochDomain(const EpochDomain&) = delete;
  EpochDomain& operator=(const EpochDomain&) = delete;

  /// Takes what has just been unlinked; destroyed by a later collect() or synchronize(), on the thread that calls that.
  template <typename T>
  void retire(std::unique_ptr<T> object) {
    retire(object.release(), [](void* pointer) { std::unique_ptr<T>(static_cast<T*>(pointer)); });
  }

  /// Destroys what no reader can see any more; returns how much is left. Never waits.
  std::size_t collect();

  /// Waits until each reader has been outside once, then destroys all that was retired before. Not to be called inside.
  void synchronize();

 private:
  struct alignas(64) Slot {
    /// 0: outside; otherwise the epoch at enter().
    std::atomic<std::uint64_t> epoch{0};
    std::atomic<bool> taken{false};
  };
  struct Retired {
    std::uint64_t epoch;
    void* object;
    void (*destroy)(void*);
  };

  void retire(void* object, void (*destroy)(void*));
  [[nodiscard]] std::uint64_t oldestReader() const noexcept;

  std::atomic<std::uint64_t> epoch_{1};
  std::array<Slot, maximumReaders> slots_;
  std::mutex mutex_;
  std::vector<Retired> retired_;
};

}  // namespace gatehouse::esp
