// Which engines there are on this machine.
#include "crypto/engine.h"

#include <stdexcept>

#include "crypto/af-alg.h"
#include "crypto/engines.h"

namespace gatehouse::crypto {

namespace {

using Make = std::unique_ptr<Engine> (*)();

struct Entry {
  std::string_view name;
  Make make;
  bool (*available)();
};

constexpr Entry entries[] = {
#ifdef GATEHOUSE_IPSEC_MB
    {"ipsec-mb", makeIpsecMbEngine, ipsecMbAvailable},
#endif
    {"openssl", makeOpensslEngine, [] { return true; }},
    // Last: two system calls for each packet are worth it only where a device does the work, which a measurement tells.
    {"af-alg", [] { return makeAfAlgEngine("af-alg"); }, afAlgAvailable},
};

}  // namespace

std::vector<std::string_view> engineNames() {
  std::vector<std::string_view> names;
  for (const Entry& entry : entries) {
    if (entry.available()) names.push_back(entry.name);
  }
  return names;
}

std::unique_ptr<Engine> makeEngine(std::string_view name) {
  for (const Entry& entry : entries) {
    if ((name.empty() || entry.name == name) && entry.available()) return entry.make();
  }
  return makeAfAlgEngine(name);
}

void checkKeyLengths(const Engine& engine, const Transform& transform, std::span<const std::uint8_t> cipherKey,
                     std::span<const std::uint8_t> integrityKey) {
  if (!transform.valid() || !engine.supports(transform)) {
    throw std::invalid_argument(std::string(engine.name()) + " has no " + nameOf(transform));
  }
  const auto check = [&](const char* what, std::size_t found, std::size_t wanted) {
    if (found == wanted) return;
    throw std::invalid_argument(std::string(what) + " of " + nameOf(transform) + " has " + std::to_string(found) +
                                " octets, not " + std::to_string(wanted));
  };
  check("the cipher key", cipherKey.size(), transform.cipherKeyLength());
  check("the integrity key", integrityKey.size(), transform.integrityKeyLength());
}

}  // namespace gatehouse::crypto
