// Sending and receiving of octets with descriptors.
#include "holder/message.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace gatehouse::holder {

namespace {

union Control {
  cmsghdr header;
  std::array<char, CMSG_SPACE(sizeof(int) * mostDescriptors)> octets;
};

}  // namespace

bool sendMessage(int socket, std::string_view text, const std::vector<int>& descriptors, int flags) {
  if (descriptors.size() > mostDescriptors || text.size() > mostOctets) {
    errno = EMSGSIZE;
    return false;
  }
  Control control{};
  iovec part{const_cast<char*>(text.data()), text.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!descriptors.empty()) {
    const std::size_t octets = sizeof(int) * descriptors.size();
    message.msg_control = &control;
    message.msg_controllen = CMSG_SPACE(octets);
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(octets);
    std::memcpy(CMSG_DATA(header), descriptors.data(), octets);
  }
  for (;;) {
    const ssize_t sent = ::sendmsg(socket, &message, flags | MSG_NOSIGNAL);
    if (sent >= 0) return true;
    if (errno != EINTR) return false;
  }
}

std::optional<Message> receiveMessage(int socket, int flags) {
  Control control{};
  std::array<char, mostOctets> octets;
  iovec part{octets.data(), octets.size()};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = &control;
  header.msg_controllen = sizeof control;
  ssize_t length = 0;
  do {
    length = ::recvmsg(socket, &header, flags | MSG_CMSG_CLOEXEC);
  } while (length < 0 && errno == EINTR);
  if (length < 0) return std::nullopt;
  Message message;
  for (cmsghdr* entry = CMSG_FIRSTHDR(&header); entry != nullptr; entry = CMSG_NXTHDR(&header, entry)) {
    if (entry->cmsg_level != SOL_SOCKET || entry->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (entry->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int descriptor = -1;
      std::memcpy(&descriptor, CMSG_DATA(entry) + i * sizeof(int), sizeof(int));
      message.files.emplace_back(descriptor);
    }
  }
  if (length == 0 && message.files.empty()) {
    errno = 0;
    return std::nullopt;
  }
  message.text.assign(octets.data(), static_cast<std::size_t>(length));
  message.truncated = (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0;
  return message;
}

}  // namespace gatehouse::holder
