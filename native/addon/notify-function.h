// `notifyManager(socket, assignments)`: sd_notify for the daemon, since Node has no datagrams of Unix sockets.
#pragma once

#include <napi.h>

namespace gatehouse::addon {

/// Both arguments are strings; gives an empty string, or why nothing was sent.
Napi::Value notifyManager(const Napi::CallbackInfo& info);

}  // namespace gatehouse::addon
