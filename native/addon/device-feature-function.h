// `deviceFeature(device, feature)` and `setDeviceFeature(device, feature, on)`: what only an ioctl tells and changes.
#pragma once

#include <napi.h>

namespace gatehouse::addon {

/// A boolean, or undefined (linux/device-feature.h).
Napi::Value deviceFeature(const Napi::CallbackInfo& info);
Napi::Value setDeviceFeature(const Napi::CallbackInfo& info);

}  // namespace gatehouse::addon
