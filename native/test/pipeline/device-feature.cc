// What can be asked without a right to change anything; the rest is in src/platform/linux/network.test.ts, in a namespace.
#include "linux/device-feature.h"

#include "test/test.h"

namespace gatehouse::test {
namespace {

TEST("device features: what the loopback device has, and nothing for what is not there") {
  CHECK(os::deviceFeature("lo", "loopback") == true);
  CHECK(os::deviceFeature("lo", "esp-hw-offload") == false);
  CHECK(!os::deviceFeature("lo", "no such feature").has_value());
  CHECK(!os::deviceFeature("none-such", "loopback").has_value());
  CHECK(!os::deviceFeature("", "loopback").has_value());
  CHECK(!os::deviceFeature("a name that is longer than any device has", "loopback").has_value());
}

TEST("device features: what can't be changed isn't, whoever asks") {
  CHECK(!os::setDeviceFeature("lo", "loopback", false));
  CHECK(!os::setDeviceFeature("lo", "no such feature", true));
  CHECK(os::deviceFeature("lo", "loopback") == true);
}

}  // namespace
}  // namespace gatehouse::test
