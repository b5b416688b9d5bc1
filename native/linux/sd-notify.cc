#include "linux/sd-notify.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <vector>

#include "linux/file.h"

namespace gatehouse::os {
namespace {

/// SCM_MAX_FD of the kernel, which its headers don't export.
constexpr std::size_t mostDescriptors = 253;

}  // namespace

std::string notifyManager(std::string_view socket, std::string_view assignments, std::span<const int> descriptors) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket.size() < 2 || socket.size() >= sizeof address.sun_path || (socket[0] != '/' && socket[0] != '@'))
    return "NOTIFY_SOCKET is neither a path nor an abstract name";
  if (descriptors.size() > mostDescriptors) return "more than 253 descriptors in one message";
  std::ranges::copy(socket, address.sun_path);
  if (socket[0] == '@') address.sun_path[0] = '\0';

  const File sender(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!sender.open()) return std::strerror(errno);

  iovec text{.iov_base = const_cast<char*>(assignments.data()), .iov_len = assignments.size()};
  msghdr message{};
  message.msg_name = &address;
  message.msg_namelen = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket.size());
  message.msg_iov = &text;
  message.msg_iovlen = 1;
  std::vector<std::byte> control(descriptors.empty() ? 0 : CMSG_SPACE(descriptors.size_bytes()));
  if (!descriptors.empty()) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(header), descriptors.data(), descriptors.size_bytes());
  }
  return ::sendmsg(sender.get(), &message, MSG_NOSIGNAL) < 0 ? std::strerror(errno) : "";
}

}  // namespace gatehouse::os
