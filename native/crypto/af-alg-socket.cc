#include "crypto/af-alg-socket.h"

#include <linux/if_alg.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

namespace gatehouse::crypto::af_alg {

namespace {

template <typename Call>
auto again(Call&& call) noexcept {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

/// The control data of one operation, in place.
class Control {
 public:
  void add(int type, const void* first, std::size_t firstLength, const void* second,
           std::size_t secondLength) noexcept {
    const std::size_t length = firstLength + secondLength;
    cmsghdr header{};
    header.cmsg_len = CMSG_LEN(length);
    header.cmsg_level = SOL_ALG;
    header.cmsg_type = type;
    std::memcpy(octets_.data() + used_, &header, sizeof header);
    std::uint8_t* data = octets_.data() + used_ + CMSG_LEN(0);
    std::memcpy(data, first, firstLength);
    if (secondLength != 0) std::memcpy(data + firstLength, second, secondLength);
    used_ += CMSG_SPACE(length);
  }
  void add(int type, std::uint32_t value) noexcept { add(type, &value, sizeof value, nullptr, 0); }

  [[nodiscard]] void* data() noexcept { return octets_.data(); }
  [[nodiscard]] std::size_t size() const noexcept { return used_; }

 private:
  alignas(cmsghdr) std::array<std::uint8_t, 3 * CMSG_SPACE(32)> octets_{};
  std::size_t used_ = 0;
};

}  // namespace

os::File bindAlgorithm(std::string_view type, std::string_view name) {
  os::File socket(::socket(AF_ALG, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!socket.open()) return {};
  // Since Linux 4.12 the name may be longer than the structure says.
  std::vector<std::uint8_t> memory(sizeof(sockaddr_alg) + name.size() + 1);
  sockaddr_alg address{};
  address.salg_family = AF_ALG;
  std::memcpy(address.salg_type, type.data(), std::min(type.size(), sizeof address.salg_type - 1));
  std::memcpy(memory.data(), &address, sizeof address);
  std::memcpy(memory.data() + offsetof(sockaddr_alg, salg_name), name.data(), name.size());
  const std::size_t length = std::max(sizeof(sockaddr_alg), offsetof(sockaddr_alg, salg_name) + name.size() + 1);
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(memory.data()), static_cast<socklen_t>(length)) != 0)
    return {};
  return socket;
}

bool setKey(const os::File& algorithm, std::span<const std::uint8_t> key) noexcept {
  return ::setsockopt(algorithm.get(), SOL_ALG, ALG_SET_KEY, key.data(), static_cast<socklen_t>(key.size())) == 0;
}

bool setTagLength(const os::File& algorithm, std::size_t octets) noexcept {
  return ::setsockopt(algorithm.get(), SOL_ALG, ALG_SET_AEAD_AUTHSIZE, nullptr, static_cast<socklen_t>(octets)) == 0;
}

os::File openOperation(const os::File& algorithm) noexcept {
  return os::File(again([&] { return ::accept4(algorithm.get(), nullptr, nullptr, SOCK_CLOEXEC); }));
}

bool send(const os::File& socket, const Operation& operation, const Pieces& input) noexcept {
  Control control;
  control.add(ALG_SET_OP, operation.encrypt ? ALG_OP_ENCRYPT : ALG_OP_DECRYPT);
  const auto ivLength = static_cast<std::uint32_t>(operation.iv.size());
  control.add(ALG_SET_IV, &ivLength, sizeof ivLength, operation.iv.data(), operation.iv.size());
  if (operation.associated != 0) control.add(ALG_SET_AEAD_ASSOCLEN, operation.associated);
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(input.at.data());
  message.msg_iovlen = input.count;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t sent = again([&] { return ::sendmsg(socket.get(), &message, 0); });
  return sent >= 0 && static_cast<std::size_t>(sent) == input.octets();
}

bool send(const os::File& socket, const Pieces& input) noexcept {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(input.at.data());
  message.msg_iovlen = input.count;
  const ssize_t sent = again([&] { return ::sendmsg(socket.get(), &message, 0); });
  return sent >= 0 && static_cast<std::size_t>(sent) == input.octets();
}

std::int64_t receive(const os::File& socket, const Pieces& output) noexcept {
  const ssize_t received =
      again([&] { return ::readv(socket.get(), output.at.data(), static_cast<int>(output.count)); });
  return received < 0 ? -errno : received;
}

Completions::Completions() { (void)::syscall(SYS_io_setup, slots, &context_); }

Completions::~Completions() {
  if (available()) (void)::syscall(SYS_io_destroy, context_);
}

bool Completions::ask(std::size_t slot, const os::File& socket, Pieces& output) noexcept {
  iocb& request = requests_[slot];
  request = {};
  request.aio_data = slot;
  request.aio_lio_opcode = IOCB_CMD_PREADV;
  request.aio_fildes = static_cast<std::uint32_t>(socket.get());
  request.aio_buf = reinterpret_cast<std::uint64_t>(output.at.data());
  request.aio_nbytes = output.count;
  std::array<iocb*, 1> list{&request};
  return again([&] { return ::syscall(SYS_io_submit, context_, 1, list.data()); }) == 1;
}

std::span<const Completions::Done> Completions::wait() noexcept {
  std::array<io_event, slots> events;
  const long count =
      again([&] { return ::syscall(SYS_io_getevents, context_, 1, events.size(), events.data(), nullptr); });
  if (count <= 0) return {};
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i)
    done_[i] = {.slot = static_cast<std::size_t>(events[i].data), .result = events[i].res};
  return {done_.data(), static_cast<std::size_t>(count)};
}

}  // namespace gatehouse::crypto::af_alg
