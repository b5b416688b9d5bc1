// The floor of what leaves the TUN a packet at a time: somebody who reads it as a worker does, and does nothing with what he reads.
#pragma once

#include <cstdint>

#include "bench/flood.h"
#include "linux/tun.h"

namespace gatehouse::bench {

struct TunRead {
  uint64_t packets = 0;
  /// Of the reading thread, with what the kernel does on its behalf.
  double processorSeconds = 0;
};

/// Makes the device, floods what is routed to it, and reads until nothing comes any more. Throws OpenError, or std::invalid_argument as flood() does.
TunRead readTun(const os::TunOptions& device, const FloodOptions& options);

}  // namespace gatehouse::bench
