// systemd's file descriptor store as a holder (sd_notify(3), sd_listen_fds(3)), spoken natively.
#pragma once

#include <memory>

#include "holder/holder.h"

namespace gatehouse::holder {

/// Throws std::system_error where NOTIFY_SOCKET is not set or can't be spoken to.
std::unique_ptr<Holder> openSystemdStore();

/// For tests: what LISTEN_FDS said is looked at anew by the next `openSystemdStore`.
void forgetListenDescriptors();

}  // namespace gatehouse::holder
