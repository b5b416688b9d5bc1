// What a former process left: SAs and policies in the kernel, tunnels in the table, descriptors with the holder. A plane that resumes takes out of it what the
// same changes name again; what is left over then goes.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "holder/holder.h"
#include "kernel/tables.h"
#include "linux/netlink-socket.h"
#include "linux/xfrm-messages.h"

namespace gatehouse::kernel {

/// Holds descriptors under names where there is a holder; without one nothing outlives us. A holder that fails is not asked again.
class Keeper {
 public:
  /// Throws OpenError where somebody is named and not there. `where` empty: no holder.
  explicit Keeper(const std::string& where);

  void hold(const std::string& name, const os::File& file);
  void drop(const std::string& name);
  /// What was held under the name, taken out; not open if nothing was.
  os::File take(const std::string& name);
  [[nodiscard]] bool has(const std::string& name) const { return held_.contains(name); }
  /// Lets go of all that was held before and nobody has taken. The journal's key is not the plane's.
  void forget();
  /// Why nothing is held any more, or empty.
  [[nodiscard]] const std::string& trouble() const { return trouble_; }

 private:
  std::unique_ptr<holder::Holder> holder_;
  std::map<std::string, os::File> held_;
  std::string trouble_;
};

/// An SA's keys, as the kernel has them.
struct KeptKeys {
  Secret cipher;
  Secret integrity;
};

class Remains {
 public:
  /// Looks for what has marks of ours, and for tunnels in the table.
  void read(os::Netlink& xfrm, os::Netlink& nft);

  /// Takes the SA out; nothing if there is none.
  std::optional<os::xfrm::Kept> takeSa(os::xfrm::Direction direction, uint32_t spi, uint32_t mark);
  std::optional<os::xfrm::KeptPolicy> takePolicy(uint32_t mark);
  /// Whether packets of a site leave by the SA with this SPI.
  [[nodiscard]] bool carries(uint32_t spi) const;
  /// The policy has been set anew.
  void claim(const os::xfrm::SitePolicy& policy);
  /// The number of the tunnel that a peer calls so.
  std::optional<uint16_t> takeTunnel(uint32_t mark, uint16_t local);

  /// Removes from the kernel what nobody has taken.
  void remove(os::Netlink& xfrm, os::Netlink& nft);

 private:
  std::map<std::tuple<os::xfrm::Direction, uint32_t, uint32_t>, os::xfrm::Kept> sas_;
  std::map<uint32_t, os::xfrm::KeptPolicy> policies_;
  std::map<std::pair<uint32_t, uint16_t>, uint16_t> tunnels_;
  std::vector<os::xfrm::SitePolicy> sites_;
};

/// Takes everything out of the kernel that a plane which is gone has left: SAs, policies, the table. Throws os::OpenError.
void removeRemains();

/// Asks the kernel for an SA's keys.
KeptKeys readKeys(os::Netlink& xfrm, const os::xfrm::Kept& kept);

}  // namespace gatehouse::kernel
