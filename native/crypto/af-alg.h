// The engine over AF_ALG: the kernel's own ciphers, and with them the devices that it has drivers for.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/engine.h"

namespace gatehouse::crypto {

struct AfAlgOptions {
  /// Drivers to use for what they register, instead of the kernel's choice (its highest priority); `cryptd(cbc(des-generic))` is made by asking for it.
  std::vector<std::string> drivers{};
  /// Cipher and hash in one operation where the kernel has that (authenc).
  bool combined = true;
  /// Operations of one key that may be outstanding with an asynchronous driver; 1 to 8. 0: wait for each.
  std::size_t outstanding = 4;
};

bool afAlgAvailable();

/// Null if the kernel has no AF_ALG, or none of its ciphers, or not one of the drivers.
std::unique_ptr<Engine> makeAfAlgEngine(const AfAlgOptions& options);

/// From `af-alg` or `af-alg:DRIVER,DRIVER …`; commas inside of parentheses belong to a driver's name. Null also for other names.
std::unique_ptr<Engine> makeAfAlgEngine(std::string_view name);

/// `af-alg:DRIVER` for each driver that the kernel has registered, which could do a part of ESP.
std::vector<std::string> afAlgDriverEngines();

}  // namespace gatehouse::crypto
