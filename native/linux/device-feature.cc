#include "linux/device-feature.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "linux/file.h"

namespace gatehouse::os {
namespace {

/// More than any kernel has, less than would hurt.
constexpr uint32_t mostFeatures = 1024;

/// Kernel structures end in arrays, so they lie in words.
template <typename Command>
class Words {
 public:
  explicit Words(size_t behind) : words_((sizeof(Command) + behind + 3) / 4) {}
  Command* operator->() { return reinterpret_cast<Command*>(words_.data()); }
  [[nodiscard]] void* data() { return words_.data(); }

 private:
  std::vector<uint32_t> words_;
};

class Device {
 public:
  explicit Device(const std::string& name) : name_(name), socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {}

  /// What the ioctl gave; negative: it failed.
  template <typename Command>
  int ask(Words<Command>& command) const {
    if (name_.empty() || name_.size() >= IFNAMSIZ) return -1;
    ifreq request{};
    name_.copy(request.ifr_name, IFNAMSIZ - 1);
    request.ifr_data = static_cast<char*>(command.data());
    return ::ioctl(socket_.get(), SIOCETHTOOL, &request);
  }

  /// How many features the kernel knows; 0: no such device.
  [[nodiscard]] uint32_t features() const {
    Words<ethtool_sset_info> counted(4);
    counted->cmd = ETHTOOL_GSSET_INFO;
    counted->sset_mask = uint64_t{1} << ETH_SS_FEATURES;
    if (ask(counted) < 0 || counted->sset_mask == 0) return 0;
    return counted->data[0] > mostFeatures ? 0 : counted->data[0];
  }

  [[nodiscard]] std::optional<uint32_t> numberOf(std::string_view feature, uint32_t count) const {
    Words<ethtool_gstrings> names(count * size_t{ETH_GSTRING_LEN});
    names->cmd = ETHTOOL_GSTRINGS;
    names->string_set = ETH_SS_FEATURES;
    names->len = count;
    if (count == 0 || ask(names) < 0) return {};
    for (uint32_t i = 0; i < count; i++) {
      const auto* name = reinterpret_cast<const char*>(names->data) + i * size_t{ETH_GSTRING_LEN};
      if (std::string_view(name, ::strnlen(name, ETH_GSTRING_LEN)) == feature) return i;
    }
    return {};
  }

 private:
  std::string name_;
  File socket_;
};

uint32_t blocksOf(uint32_t features) { return (features + 31) / 32; }

}  // namespace

std::optional<bool> deviceFeature(const std::string& device, const std::string& feature) {
  const Device asked(device);
  const uint32_t count = asked.features();
  const auto number = asked.numberOf(feature, count);
  if (!number) return {};
  Words<ethtool_gfeatures> bits(blocksOf(count) * sizeof(ethtool_get_features_block));
  bits->cmd = ETHTOOL_GFEATURES;
  bits->size = blocksOf(count);
  if (asked.ask(bits) < 0) return {};
  return (bits->features[*number / 32].active >> (*number % 32) & 1) != 0;
}

bool setDeviceFeature(const std::string& device, const std::string& feature, bool on) {
  const Device asked(device);
  const uint32_t count = asked.features();
  const auto number = asked.numberOf(feature, count);
  if (!number) return false;
  Words<ethtool_sfeatures> bits(blocksOf(count) * sizeof(ethtool_set_features_block));
  bits->cmd = ETHTOOL_SFEATURES;
  bits->size = blocksOf(count);
  bits->features[*number / 32].valid = uint32_t{1} << (*number % 32);
  bits->features[*number / 32].requested = on ? bits->features[*number / 32].valid : 0;
  // A number above 0 says what else the kernel made of the wish; the feature itself is what counts.
  return asked.ask(bits) >= 0 && deviceFeature(device, feature) == on;
}

}  // namespace gatehouse::os
