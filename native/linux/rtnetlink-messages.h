// rtnetlink (linux/rtnetlink.h): a PPP interface's name, MTU, addresses and routes, and what all interfaces have counted. Encoding only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "linux/netlink-socket.h"
#include "pipeline/network.h"

namespace gatehouse::os::rtnetlink {

using pipeline::Address;
using pipeline::Network;

/// Gives the interface this name and MTU and room for packets that wait, and sets it up.
Message setLink(int index, const std::string& name, uint32_t mtu);
Message setMtu(int index, uint32_t mtu);

/// Our address on a point-to-point interface, the other end's being `remote`; without `remote` an address of its own network.
Message addAddress(int index, const Address& local, const Address& remote);
Message removeAddress(int index, const Address& local, const Address& remote);
Message addRoute(int index, const Network& network);
Message removeRoute(int index, const Network& network);

/// RTM_GETSTATS of all interfaces.
Message dumpStatistics();
struct Statistics {
  int index = 0;
  uint64_t octetsIn = 0;
  uint64_t packetsIn = 0;
  uint64_t octetsOut = 0;
  uint64_t packetsOut = 0;
};
std::optional<Statistics> readStatistics(const Received& message);

}  // namespace gatehouse::os::rtnetlink
