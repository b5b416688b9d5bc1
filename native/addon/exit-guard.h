// process.exit() ends the process without the environment's hooks: workers would run on while libcrypto takes itself apart. So what is open is closed
// by an atexit() handler, which is registered after libcrypto's own and therefore runs before it.
#pragma once

#include "pipeline/data-plane.h"

namespace gatehouse::addon {

/// While it lives, `plane` is closed at exit().
class ExitGuard {
 public:
  explicit ExitGuard(pipeline::DataPlane& plane);
  ~ExitGuard();
  ExitGuard(const ExitGuard&) = delete;
  ExitGuard& operator=(const ExitGuard&) = delete;

 private:
  pipeline::DataPlane& plane_;
};

}  // namespace gatehouse::addon
