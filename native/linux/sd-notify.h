// What the service manager is told (sd_notify(3)): a datagram to the Unix socket that NOTIFY_SOCKET names, with descriptors to keep beside it.
// Without the library of systemd, which a module with no other use for it need not load.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace gatehouse::os {

/// Sends the assignments (`READY=1\nSTATUS=…`) to the socket: a path, or an abstract name with `@` before it. `descriptors` go with the message
/// (`FDSTORE=1\nFDNAME=…`), at most 253 (SCM_MAX_FD), and stay open here. Returns empty, or why it was not sent: the error of the system in words.
/// Never waits: a manager that doesn't read gets nothing.
std::string notifyManager(std::string_view socket, std::string_view assignments, std::span<const int> descriptors = {});

}  // namespace gatehouse::os
