// Which network device could do ESP by itself (NETIF_F_HW_ESP, ethtool's `esp-hw-offload`).
#pragma once

#include <string_view>

#include "pipeline/address.h"

namespace gatehouse::os {

/// The index of the device that has this address, if it says that it does ESP; else 0.
int espOffloadDevice(const pipeline::Address& local);

/// Whether what was asked for is a device's name and none of the words `auto`, `off`, `crypto` (never whole packets) and `packet` (nothing less).
bool namesDevice(std::string_view offload);

}  // namespace gatehouse::os
