// A network device's features by their names, as `ethtool -k` lists them.
#pragma once

#include <optional>
#include <string>

namespace gatehouse::os {

/// Whether the feature is active. Nothing where there is no such device, no such feature, or nobody to ask.
std::optional<bool> deviceFeature(const std::string& device, const std::string& feature);

/// Wishes for the feature, or for none of it. False where the kernel won't: no such device or feature, one that can't be changed, or no CAP_NET_ADMIN.
bool setDeviceFeature(const std::string& device, const std::string& feature, bool on);

}  // namespace gatehouse::os
