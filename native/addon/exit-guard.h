// process.exit() ends the process without the environment's hooks: workers would run on while libcrypto takes itself apart. So what is open is closed
// by an atexit() handler, which is registered after libcrypto's own and therefore runs before it.
#pragma once

#include <functional>

namespace gatehouse::addon {

/// While it lives, `close` is called at exit().
class ExitGuard {
 public:
  explicit ExitGuard(std::function<void()> close);
  ~ExitGuard();
  ExitGuard(const ExitGuard&) = delete;
  ExitGuard& operator=(const ExitGuard&) = delete;

 private:
  const std::function<void()> close_;
};

}  // namespace gatehouse::addon
