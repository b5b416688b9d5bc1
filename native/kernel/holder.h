// CONTRACT. Who keeps descriptors while the daemon is away: a tunnel lives as long as its UDP socket, a PPP interface as long as its /dev/ppp descriptor.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "linux/file.h"

namespace gatehouse::kernel {

/// Names: `ike`, `natt-N`, `esp`, `l2tp-N`, `tunnel-LOCALTUNNEL`, `session-SESSIONID`, `channel-SESSIONID`, `unit-SESSIONID`. N counts listening sockets,
/// LOCALTUNNEL is the kernel's number of the tunnel. Called from the plane's thread alone, and from the constructor before that thread runs.
class Holder {
 public:
  virtual ~Holder() = default;
  /// Keeps a copy of the descriptor under this name, instead of what had the name before. A failure is the holder's to count and to say: the plane goes on.
  virtual void put(const std::string& name, int descriptor) = 0;
  /// A name that nobody has is no error.
  virtual void remove(const std::string& name) = 0;
  /// Copies of all that is held, by name. Called once, when the plane opens with `resume`; without `resume` the plane removes each instead.
  virtual std::map<std::string, os::File> list() = 0;
};

/// The holder behind this Unix socket, or `systemd` for its descriptor store. Throws os::OpenError.
std::unique_ptr<Holder> connectHolder(const std::string& where);

}  // namespace gatehouse::kernel
