// Small packets as fast as one thread can make them, towards a data plane in the same process: the generator of `bench packets`. Its own cost is told.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "linux/sockets.h"

namespace gatehouse::bench {

struct FloodOptions {
  /// True: ESP in UDP from `path.local` to `path.remote`, as a client sends it. False: plain UDP to `destination`, as a host behind the gateway does.
  bool sealed = false;
  os::Path path;
  /// Sealed: the receiver's inbound SA, and its L2TP tunnel and session.
  uint32_t spi = 0;
  /// Sequence numbers that former calls have used.
  uint64_t sent = 0;
  std::string algorithm;
  std::vector<uint8_t> cipherKey;
  std::vector<uint8_t> integrityKey;
  uint16_t tunnel = 0;
  uint16_t session = 0;
  /// Of the inner IPv4 packet.
  os::Address source;
  os::Address destination;
  /// Of the inner packet, IPv4 header and all.
  uint32_t octets = 64;
  /// Sealed: UDP flows (source ports) that take turns packet by packet.
  uint32_t flows = 1;
  /// Sealed: datagrams given to the kernel as one (UDP GSO). Plain: the same, or 1 for one by one as a network card brings them.
  uint32_t together = 64;
  uint32_t milliseconds = 100;
};

struct Flooded {
  uint64_t packets = 0;
  double wallSeconds = 0;
  /// Of the calling thread, with what the kernel did on its behalf.
  double processorSeconds = 0;
};

/// On the calling thread. Throws os::OpenError, and std::invalid_argument for an algorithm that is unknown or a size that no packet has.
Flooded flood(const FloodOptions& options);

}  // namespace gatehouse::bench
