// One message on a Unix socket with descriptors beside its octets (unix(7), SCM_RIGHTS): what holder, client and systemd's notify socket have in common.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "linux/file.h"

namespace gatehouse::holder {

/// Descriptors in one message at most; the kernel takes 253.
inline constexpr std::size_t mostDescriptors = 64;
/// Octets of a message at most: 64 names of 64 octets with their line ends, and the line before them.
inline constexpr std::size_t mostOctets = 8192;

struct Message {
  std::string text;
  std::vector<os::File> files;
  /// More octets or descriptors came than a message may have; what did not fit is gone.
  bool truncated = false;
};

/// False with errno where it could not be sent whole.
bool sendMessage(int socket, std::string_view text, const std::vector<int>& descriptors, int flags);
/// Nothing, with errno 0 at the end of the connection. Descriptors are close-on-exec.
std::optional<Message> receiveMessage(int socket, int flags);

}  // namespace gatehouse::holder
