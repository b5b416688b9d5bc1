// NETLINK_CRYPTO: what the kernel's crypto API has registered, and which driver of an algorithm comes first. Where the kernel has no such netlink, /proc/crypto
// tells the same but for one thing: which drivers are those of devices.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "crypto/kernel-algorithms.h"

namespace gatehouse::os {

struct KernelAlgorithms {
  /// Told by netlink, not by /proc/crypto: then priorities can be changed too.
  bool netlink = false;
  std::vector<crypto::KernelAlgorithm> algorithms;
};

KernelAlgorithms listKernelAlgorithms();

struct PriorityChange {
  std::int32_t before = 0;
  /// What had been built on another driver than the one that comes first now, and was taken away so that the next user gets a new one.
  std::vector<std::string> dropped;
  /// Of the same kind, but in use: SAs go on with it, and new ones too until these are gone.
  std::vector<std::string> inUse;
};

/// Gives a driver another priority (CRYPTO_MSG_UPDATEALG; needs CAP_NET_ADMIN). Throws OpenError: ENOENT for a driver that is not registered,
/// EPERM, EPROTONOSUPPORT where the kernel has no NETLINK_CRYPTO.
PriorityChange setPriority(const std::string& driver, std::int32_t priority);

/// Those of the kernel's constructions that use this algorithm through another driver than the kernel would choose now, the outermost first.
std::vector<crypto::KernelAlgorithm> builtOnOthers(const std::vector<crypto::KernelAlgorithm>& all,
                                                   const std::string& algorithm);

}  // namespace gatehouse::os
