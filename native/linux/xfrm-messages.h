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

namespace gatehouse::os::xfrm {

using pipeline::Address;
using pipeline::Endpoint;
using pipeline::Path;

enum class Direction : uint8_t { in, out };

/// One ESP SA in transport mode. `path` as seen from here whatever the direction.
struct Sa {
  Direction direction = Direction::in;
  uint32_t spi = 0;
  Path path;
  /// ESP in UDP between the path's ports (RFC 3948).
  bool encapsulated = false;
  crypto::Transform transform;
  std::span<const uint8_t> cipherKey;
  std::span<const uint8_t> integrityKey;
  /// In packets; of an inbound SA.
  uint32_t replayWindow = 64;
  /// The number of the last packet that was sent; of an outbound SA that carries on for another.
  uint64_t sequence = 0;
  /// Inbound: put onto what comes out. Outbound: only packets with it are sealed.
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

/// From now on no news of each packet: see `Used`.
Message silence(const Address& destination, uint32_t spi, uint32_t mark, uint32_t reqid);

/// An SA as the kernel keeps it.
struct Kept {
  Address destination;
  Address source;
  uint32_t spi = 0;
  uint32_t reqid = 0;
  /// The one that it puts on or asks for; by which of them it is, the direction is known.
  uint32_t mark = 0;
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

}  // namespace gatehouse::os::xfrm
