// Which network device could do ESP by itself (NETIF_F_HW_ESP, ethtool's `esp-hw-offload`).
#pragma once

#include "pipeline/address.h"

namespace gatehouse::os {

/// The index of the device that has this address, if it says that it does ESP; else 0.
int espOffloadDevice(const pipeline::Address& local);

}  // namespace gatehouse::os
