// The nftables table of the kernel plane, as text: which packets may come out of an SA, and to whose tunnel they go.
#pragma once

#include <cstdint>
#include <string>

namespace gatehouse::kernel {

constexpr const char* tableName = "gatehouse_plane";

struct RulesetOptions {
  uint16_t nattPort = 4500;
  /// The tunnels' sockets are bound to this port; nobody outside may speak to it.
  uint16_t dataPort = 0;
  /// Where ESP in UDP with unknown SPIs goes.
  uint16_t strayPort = 0;
  /// PPP interfaces are called so and a number.
  std::string devicePrefix;
};

/// The whole table. Loading it takes away what a former process left of it.
std::string ruleset(const RulesetOptions& options);
/// Text that takes it away.
std::string noRuleset();

}  // namespace gatehouse::kernel
