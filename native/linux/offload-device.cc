#include "linux/offload-device.h"

#include <ifaddrs.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "linux/file.h"

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

bool ask(const File& socket, const std::string& device, void* command) {
  ifreq request{};
  device.copy(request.ifr_name, IFNAMSIZ - 1);
  request.ifr_data = static_cast<char*>(command);
  return ::ioctl(socket.get(), SIOCETHTOOL, &request) == 0;
}

bool hasFeature(const std::string& device) {
  const File socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  std::vector<uint32_t> counted(sizeof(ethtool_sset_info) / 4 + 1);
  auto* sizes = reinterpret_cast<ethtool_sset_info*>(counted.data());
  sizes->cmd = ETHTOOL_GSSET_INFO;
  sizes->sset_mask = uint64_t{1} << ETH_SS_FEATURES;
  if (!ask(socket, device, sizes)) return false;
  const uint32_t count = sizes->data[0];
  if (count == 0 || count > 1024) return false;
  std::vector<uint32_t> words((sizeof(ethtool_gstrings) + count * size_t{ETH_GSTRING_LEN}) / 4 + 1);
  auto* names = reinterpret_cast<ethtool_gstrings*>(words.data());
  names->cmd = ETHTOOL_GSTRINGS;
  names->string_set = ETH_SS_FEATURES;
  names->len = count;
  if (!ask(socket, device, names)) return false;
  const uint32_t blocks = (count + 31) / 32;
  std::vector<uint32_t> bits((sizeof(ethtool_gfeatures) + blocks * sizeof(ethtool_get_features_block)) / 4);
  auto* features = reinterpret_cast<ethtool_gfeatures*>(bits.data());
  features->cmd = ETHTOOL_GFEATURES;
  features->size = blocks;
  if (!ask(socket, device, features)) return false;
  for (uint32_t i = 0; i < count; i++) {
    if (std::strncmp(reinterpret_cast<const char*>(names->data) + i * size_t{ETH_GSTRING_LEN}, feature,
                     ETH_GSTRING_LEN) == 0)
      return (features->features[i / 32].active >> (i % 32) & 1) != 0;
  }
  return false;
}

}  // namespace

bool namesDevice(std::string_view offload) {
  return offload != "auto" && offload != "off" && offload != "crypto" && offload != "packet";
}

int espOffloadDevice(const Address& local) {
  const std::string device = deviceOf(local);
  return !device.empty() && hasFeature(device) ? static_cast<int>(if_nametoindex(device.c_str())) : 0;
}

}  // namespace gatehouse::os
