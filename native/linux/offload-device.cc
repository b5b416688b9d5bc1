#include "linux/offload-device.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>
#include <string>

#include "linux/device-feature.h"

namespace gatehouse::os {
namespace {

using pipeline::Address;

constexpr const char* feature = "esp-hw-offload";

Address addressOf(const sockaddr* name) {
  if (name == nullptr) return {};
  if (name->sa_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, name, sizeof in);
    return Address::from(reinterpret_cast<const uint8_t*>(&in.sin_addr), 4);
  }
  if (name->sa_family != AF_INET6) return {};
  sockaddr_in6 in{};
  std::memcpy(&in, name, sizeof in);
  return Address::from(reinterpret_cast<const uint8_t*>(&in.sin6_addr), 16);
}

std::string deviceOf(const Address& local) {
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) return {};
  std::string name;
  for (const ifaddrs* one = all; one != nullptr; one = one->ifa_next) {
    if (addressOf(one->ifa_addr) == local) name = one->ifa_name;
  }
  freeifaddrs(all);
  return name;
}

}  // namespace

bool namesDevice(std::string_view offload) {
  return offload != "auto" && offload != "off" && offload != "crypto" && offload != "packet";
}

int espOffloadDevice(const Address& local) {
  const std::string device = deviceOf(local);
  return deviceFeature(device, feature) == true ? static_cast<int>(if_nametoindex(device.c_str())) : 0;
}

}  // namespace gatehouse::os
