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
  std::vector<pipeline::DataPlane*> planes;
};

Open& open() {
  static Open* const all = new Open;
  return *all;
}

void closeAll() {
  const std::lock_guard lock(open().mutex);
  for (pipeline::DataPlane* plane : open().planes) plane->close();
}

}  // namespace

ExitGuard::ExitGuard(pipeline::DataPlane& plane) : plane_(plane) {
  static const int registered = std::atexit(closeAll);
  (void)registered;
  const std::lock_guard lock(open().mutex);
  open().planes.push_back(&plane);
}

ExitGuard::~ExitGuard() {
  const std::lock_guard lock(open().mutex);
  std::erase(open().planes, &plane_);
}

}  // namespace gatehouse::addon
