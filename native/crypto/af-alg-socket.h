// AF_ALG's system calls (Documentation/crypto/userspace-if.rst of the kernel): a bound socket stands for an algorithm with a key, a socket accepted
// from it for one operation after the other. Only for files of this folder.
#pragma once

#include <linux/aio_abi.h>
#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "linux/file.h"

namespace gatehouse::crypto::af_alg {

/// Most pieces that a packet's input or output is in.
inline constexpr std::size_t mostPieces = 3;

struct Pieces {
  std::array<iovec, mostPieces> at{};
  std::size_t count = 0;

  void add(std::uint8_t* octets, std::size_t length) { at[count++] = {.iov_base = octets, .iov_len = length}; }
  [[nodiscard]] std::size_t octets() const {
    std::size_t sum = 0;
    for (std::size_t i = 0; i < count; ++i) sum += at[i].iov_len;
    return sum;
  }
};

/// A bound socket without a key; `type` is `skcipher`, `aead` or `hash`. Not open if the kernel has no such algorithm, and then errno says why.
os::File bindAlgorithm(std::string_view type, std::string_view name);

bool setKey(const os::File& algorithm, std::span<const std::uint8_t> key) noexcept;
bool setTagLength(const os::File& algorithm, std::size_t octets) noexcept;

/// The socket of operations. It holds one operation at a time; several sockets of one algorithm work side by side.
os::File openOperation(const os::File& algorithm) noexcept;

struct Operation {
  bool encrypt = false;
  std::span<const std::uint8_t> iv;
  /// Octets at the beginning that are authenticated only; 0 for ciphers.
  std::uint32_t associated = 0;
};

/// Hands over the whole input. False if the kernel took less.
bool send(const os::File& socket, const Operation& operation, const Pieces& input) noexcept;
/// Of a hash: the data and nothing else.
bool send(const os::File& socket, const Pieces& input) noexcept;
/// Octets written into `output`, or -errno: -EBADMSG is a wrong integrity value.
std::int64_t receive(const os::File& socket, const Pieces& output) noexcept;

/// Outputs that are asked for and come when the driver has them (io_submit(2)). Belongs to one thread.
class Completions {
 public:
  static constexpr std::size_t slots = 64;

  Completions();
  Completions(const Completions&) = delete;
  Completions& operator=(const Completions&) = delete;
  ~Completions();

  /// False where the kernel has no asynchronous I/O.
  [[nodiscard]] bool available() const noexcept { return context_ != 0; }
  /// Asks for a slot's output. Its pieces must stay until `wait` has named the slot. False: refused, and nothing is outstanding.
  bool ask(std::size_t slot, const os::File& socket, Pieces& output) noexcept;

  struct Done {
    std::size_t slot;
    /// Octets, or -errno.
    std::int64_t result;
  };
  /// Waits for at least one that is outstanding, gives as many as there are.
  std::span<const Done> wait() noexcept;

 private:
  aio_context_t context_ = 0;
  std::array<iocb, slots> requests_{};
  std::array<Done, slots> done_{};
};

}  // namespace gatehouse::crypto::af_alg
