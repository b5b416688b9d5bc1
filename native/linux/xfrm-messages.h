// XFRM by netlink (linux/xfrm.h): SAs and policies as messages, and what the kernel tells of them. Everything here is encoding; netlink.h sends it.
#pragma once

#include <linux/xfrm.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "crypto/transform.h"
#include "linux/netlink-socket.h"
#include "pipeline/address.h"
#include "pipeline/tunnels.h"

namespace gatehouse::os::xfrm {

using pipeline::Address;
using pipeline::Endpoint;
using pipeline::Path;
using pipeline::Selector;

enum class Direction : uint8_t { in, out };

/// One ESP SA. `path` as seen from here whatever the direction.
struct Sa {
  Direction direction = Direction::in;
  uint32_t spi = 0;
  Path path;
  /// ESP in UDP between the path's ports (RFC 3948).
  bool encapsulated = false;
  /// What it is for: in tunnel mode whole packets, else those between the path's own ends. Without, L2TP's, in transport mode.
  std::optional<Selector> selector;
  bool tunnelMode = false;
  crypto::Transform transform;
  std::span<const uint8_t> cipherKey;
  std::span<const uint8_t> integrityKey;
  /// In packets; of an inbound SA.
  uint32_t replayWindow = 64;
  /// The number of the last packet that was sent; of an outbound SA that carries on for another.
  uint64_t sequence = 0;
  /// Inbound: put onto what comes out. Outbound, without a selector: only packets with it are sealed.
  uint32_t mark = 0;
  /// Ties a policy to its SAs.
  uint32_t reqid = 0;
  /// 0, or the device that is to do the work.
  int offloadDevice = 0;
  /// The whole packet by the device, not just the cipher.
  bool offloadPacket = false;
};

/// The cipher or hash as the kernel calls it: `cbc(aes)`, `hmac(sha1)`, `rfc4106(gcm(aes))`.
std::string cipherName(const crypto::Transform& transform);
std::string integrityName(const crypto::Transform& transform);

/// XFRM_MSG_NEWSA, or XFRM_MSG_UPDSA for one that exists (which changes its ports).
Message addSa(const Sa& sa, bool update = false);
Message removeSa(const Address& destination, uint32_t spi, uint32_t mark);
Message getSa(const Address& destination, uint32_t spi, uint32_t mark);
Message dumpSas();

/// What leaves with this mark is sealed by the SA with this SPI, or by nobody (`spi` 0) and then dropped. Replaces the policy that the mark has.
Message setPolicy(const Address& local, const Address& remote, uint32_t mark, uint32_t reqid, uint32_t spi);
Message removePolicy(const Address& local, const Address& remote, uint32_t mark);
Message dumpPolicies();

/// A policy of what a site or rule protects, with no mark: of all packets that its selector means.
struct SitePolicy {
  enum class Way : uint8_t { out, in, forward };
  enum class Action : uint8_t { pass, block, ask, protect };
  Selector selector;
  Way way = Way::out;
  /// `ask`: wait for an SA and tell (Acquire). `protect`: out, by the SA below; else, only what came out of an SA in tunnel mode.
  Action action = Action::block;
  /// Of hosts among themselves: each pair of hosts asks for its own SA.
  bool transport = false;
  Address local;
  Address remote;
  uint32_t spi = 0;
  /// The SA's; with `ask` a number that no other policy has.
  uint32_t reqid = 0;
  bool operator==(const SitePolicy&) const = default;
};
/// Replaces the policy with the same selector and way; what waited in that for an SA goes on by this.
Message setSitePolicy(const SitePolicy& policy);
Message removeSitePolicy(const Selector& selector, SitePolicy::Way way);
/// Selector, way and SPI of a policy that setSitePolicy made.
std::optional<SitePolicy> readSitePolicy(const Received& message);
/// The more exact of two selectors has more: it is asked first.
uint32_t exactness(const Selector& selector);

/// From now on no news of each packet: see `Used`.
Message silence(const Address& destination, uint32_t spi, uint32_t mark, uint32_t reqid);

/// An SA as the kernel keeps it.
struct Kept {
  Address destination;
  Address source;
  uint32_t spi = 0;
  uint32_t reqid = 0;
  /// The mark by which it is addressed, beside destination and SPI.
  uint32_t key = 0;
  Direction direction = Direction::in;
  uint64_t octets = 0;
  uint64_t packets = 0;
  uint64_t sequence = 0;
  uint32_t replayed = 0;
  uint32_t forged = 0;
  bool offloaded = false;
};
std::optional<Kept> readSa(const Received& message);

/// The cipher's key (for GCM with its salt) and that of the integrity, as views into the message. Empty where the kernel keeps them to itself.
std::pair<std::span<const uint8_t>, std::span<const uint8_t>> readKeys(const Received& message);

struct KeptPolicy {
  Address local;
  Address remote;
  uint32_t mark = 0;
  /// Of the SA that it points to; 0: it drops.
  uint32_t spi = 0;
};
std::optional<KeptPolicy> readPolicy(const Received& message);

/// The first packets on an SA were authentic (XFRM_MSG_NEWAE, asked for with a threshold of one packet).
struct Used {
  Address destination;
  uint32_t spi = 0;
  uint32_t reqid = 0;
};
std::optional<Used> readUsed(const Received& message);

/// An authentic packet came from elsewhere than the SA says (XFRM_MSG_MAPPING).
struct Mapping {
  uint32_t spi = 0;
  Endpoint remote;
};
std::optional<Mapping> readMapping(const Received& message);

/// The soft packet limit is reached (XFRM_MSG_EXPIRE).
struct Expired {
  Address destination;
  uint32_t spi = 0;
  uint32_t reqid = 0;
};
std::optional<Expired> readExpired(const Received& message);

/// A packet waits for an SA (XFRM_MSG_ACQUIRE). Ports are zero where the protocol has none.
struct Acquire {
  Endpoint source;
  Endpoint destination;
  uint8_t protocol = 0;
};
std::optional<Acquire> readAcquire(const Received& message);

}  // namespace gatehouse::os::xfrm
