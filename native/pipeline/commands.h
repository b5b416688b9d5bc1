// The lists of changes as they come from the control plane: one run of octets, decoded whole before anything is changed.
// src/platform/native-codec.ts writes what is read here; both sides are big-endian.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "crypto/transform.h"
#include "pipeline/address.h"
#include "pipeline/network.h"
#include "pipeline/peers.h"
#include "pipeline/tunnels.h"

namespace gatehouse::pipeline {

/// The keys are views into the list, which its owner wipes.
struct SaParameters {
  uint32_t spi = 0;
  std::string cipher;
  std::string hash;
  bool esn = false;
  std::span<const uint8_t> cipherKey;
  std::span<const uint8_t> integrityKey;
};

struct AddPeer {
  uint32_t peer;
};
struct RemovePeer {
  uint32_t peer;
};
struct AddPair {
  uint32_t peer;
  Path path;
  bool encapsulated;
  bool use;
  uint16_t replayWindow;
  std::optional<std::pair<Address, Address>> natOa;
  /// Tunnel mode: for which tunnel, and what was agreed on.
  std::optional<std::pair<uint32_t, Selector>> tunnel;
  /// With a tunnel: the pair is in transport mode all the same, for packets between its two ends.
  bool transport = false;
  SaParameters inbound;
  SaParameters outbound;
};
struct UseOutbound {
  uint32_t peer;
  uint32_t inboundSpi;
};
struct RemovePair {
  uint32_t peer;
  uint32_t inboundSpi;
};
struct Move {
  uint32_t peer;
  Path path;
};
struct AddSession {
  uint32_t session;
  uint32_t peer;
  SessionIds local;
  SessionIds remote;
  bool sequencing;
};
struct ConfigureSession {
  uint32_t session;
  SessionConfiguration configuration;
};
struct RemoveSession {
  uint32_t session;
};

/// A new one, or another meaning of one that is there.
struct SetTunnel {
  uint32_t tunnel;
  bool hold;
  /// Of hosts among themselves, in transport mode.
  bool transport = false;
  std::vector<Selector> selectors;
};
struct RemoveTunnel {
  uint32_t tunnel;
};

using Command = std::variant<AddPeer, RemovePeer, AddPair, UseOutbound, RemovePair, Move, AddSession, ConfigureSession,
                             RemoveSession, SetTunnel, RemoveTunnel>;

/// Nothing if the octets are no whole list.
std::optional<std::vector<Command>> decodeCommands(std::span<const uint8_t> octets);

/// A cursor over octets that remembers whether it ran out. Also used by the addon for single arguments.
class Cursor {
 public:
  explicit Cursor(std::span<const uint8_t> octets) : octets_(octets) {}

  uint8_t u8();
  uint16_t u16();
  uint32_t u32();
  bool flag() { return u8() != 0; }
  std::span<const uint8_t> take(size_t length);
  /// A length octet and text.
  std::string text();
  /// A family octet (0 none, 4, 16) and the address.
  Address address();
  Path path();

  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] bool done() const { return !failed_ && at_ == octets_.size(); }
  void fail() { failed_ = true; }
  [[nodiscard]] size_t remaining() const { return octets_.size() - at_; }

 private:
  std::span<const uint8_t> octets_;
  size_t at_ = 0;
  bool failed_ = false;
};

}  // namespace gatehouse::pipeline
