// Lists of changes, which come from our own process: still nothing may be read beyond them, and one that fails must change nothing.
#include <cstdlib>

#include "pipeline/control.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace gatehouse;
  static pipeline::Context context;
  if (!context.engine) context.engine = crypto::makeEngine("openssl");
  pipeline::Control control(context, [](const pipeline::Path&) { return 0U; });
  const std::vector<uint8_t> list(data, data + size);
  const auto failure = control.apply(list);
  if (failure && (context.inbound.size() != 0 || control.peer(1) != nullptr)) std::abort();
  // The same again finds what the first one left.
  (void)control.apply(list);
  control.clear();
  if (context.inbound.size() != 0) std::abort();
  return 0;
}
