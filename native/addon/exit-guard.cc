#include "addon/exit-guard.h"

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <vector>

namespace gatehouse::addon {
namespace {

// Never destroyed, so that it is there whenever exit() comes by.
struct Open {
  std::mutex mutex;
  std::vector<const std::function<void()>*> planes;
};

Open& open() {
  static Open* const all = new Open;
  return *all;
}

void closeAll() {
  const std::lock_guard lock(open().mutex);
  for (const std::function<void()>* close : open().planes) (*close)();
}

}  // namespace

ExitGuard::ExitGuard(std::function<void()> close) : close_(std::move(close)) {
  static const int registered = std::atexit(closeAll);
  (void)registered;
  const std::lock_guard lock(open().mutex);
  open().planes.push_back(&close_);
}

ExitGuard::~ExitGuard() {
  const std::lock_guard lock(open().mutex);
  std::erase(open().planes, &close_);
}

}  // namespace gatehouse::addon
