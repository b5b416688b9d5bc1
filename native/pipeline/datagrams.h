// Datagrams outside of ESP that wait to be sent together: IKE and keepalives.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "linux/sockets.h"
#include "pipeline/counters.h"

namespace gatehouse::pipeline {

/// Used by one thread.
class Datagrams {
 public:
  explicit Datagrams(Counters& counters) : counters_(counters) {}

  /// Copies both parts. May flush.
  void put(const os::Socket& socket, const Path& path, std::span<const uint8_t> head, std::span<const uint8_t> message);
  /// Something gathered goes to this address.
  [[nodiscard]] bool holdsFor(const Address& remote) const;
  /// Sends what was gathered, a call for each socket; in the order of the calls for each of them.
  void flush();

 private:
  static constexpr size_t most = 64;

  struct Waiting {
    const os::Socket* socket;
    Path path;
    std::vector<uint8_t> octets;
  };

  Counters& counters_;
  std::vector<Waiting> waiting_;
  std::vector<os::Outgoing> items_;
};

}  // namespace gatehouse::pipeline
