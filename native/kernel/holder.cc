#include "kernel/holder.h"

#include "linux/open-error.h"

namespace gatehouse::kernel {

std::unique_ptr<Holder> connectHolder(const std::string& socketPath) {
  throw os::OpenError(ENOENT, "holder " + socketPath, "cannot reach");
}

}  // namespace gatehouse::kernel
