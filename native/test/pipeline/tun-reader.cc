#include "bench/tun-reader.h"

#include <stdexcept>

#include "test/pipeline/scratch-namespace.h"
#include "test/test.h"

namespace gatehouse::test {
namespace {

os::Address inner(uint8_t host) {
  const uint8_t octets[4] = {10, 98, 0, host};
  return os::Address::from(octets, 4);
}

void inNamespace() {
  os::TunOptions device;
  device.name = "ghfloor";
  device.address = inner(1);
  device.prefix = 24;
  bench::FloodOptions flood;
  flood.path = {{inner(1), 0}, {inner(2), 9}};
  flood.together = 1;
  flood.milliseconds = 5;
  const bench::TunRead read = bench::readTun(device, flood);
  CHECK(read.packets > 0);
  CHECK(read.processorSeconds > 0);
  // The device is gone, and the next may have its name; so it is after a flood that never began.
  flood.octets = 1;
  CHECK_THROWS(bench::readTun(device, flood), std::invalid_argument);
  flood.octets = 64;
  CHECK(bench::readTun(device, flood).packets > 0);
}

TEST("tun reader: what is routed to its device is read and counted") { inScratchNamespace(inNamespace); }

}  // namespace
}  // namespace gatehouse::test
