// What keeps descriptors alive while the daemon is gone: sockets with their ESP-in-UDP settings, L2TP tunnels and PPP units end when their last descriptor
// is closed, so somebody else holds one of each. Two of these exist: a small process of ours (server.h) and systemd's file descriptor store.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "linux/file.h"

namespace gatehouse::holder {

/// A descriptor of the caller's own for what is held under the name.
struct Held {
  std::string name;
  os::File file;
};

/// May be used by one thread at a time. Every method throws std::system_error where the holder is gone or refuses.
class Holder {
 public:
  virtual ~Holder() = default;

  /// Holds the open file behind `descriptor` under a name (`validName`), instead of what was held under it. Returns when it is held.
  virtual void put(std::string_view name, int descriptor) = 0;
  /// Lets go of it; nothing where nothing is held.
  virtual void remove(std::string_view name) = 0;
  /// Everything that is held. systemd: what was held when this process started, less what was removed since.
  virtual std::vector<Held> list() = 0;
  /// Lets go of everything; a process of ours ends.
  virtual void releaseAll() = 0;

 protected:
  Holder() = default;
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;
};

/// The name under which the daemon keeps the key of its journal; no plane's.
inline constexpr std::string_view journalKey = "journal-key";

/// What `openHolder` takes for systemd's store; everything else is the path of a socket.
inline constexpr std::string_view systemdStore = "systemd";

/// Throws std::system_error where nobody listens at the path, or where NOTIFY_SOCKET is not set.
std::unique_ptr<Holder> openHolder(const std::string& where);

/// 1 to 64 of a-z, 0-9 and the hyphen: what systemd takes as FDNAME, and no line or path can be made of.
bool validName(std::string_view name);

}  // namespace gatehouse::holder
