// PPP in the kernel: PPPoL2TP sockets (linux/if_pppol2tp.h) that carry sessions, and /dev/ppp (linux/ppp-ioctl.h) by which frames come up and interfaces are made.
#pragma once

// Before the kernel's headers, which give way to it.
#include <netinet/in.h>

#include <cstdint>
#include <string>

#include "linux/file.h"
#include "pipeline/address.h"

namespace gatehouse::os {

using pipeline::Endpoint;
using pipeline::Path;

/// Tunnel and session ids as the kernel has them: ours, and those that the peer gave.
struct L2tpIds {
  uint16_t localTunnel = 0;
  uint16_t localSession = 0;
  uint16_t remoteTunnel = 0;
  uint16_t remoteSession = 0;
};

/// A UDP socket bound to one end and connected to the other, whose packets carry `mark`; its port may be shared. No checksums: ESP vouches, and a rewritten
/// port would spoil them. Throws OpenError.
File tunnelSocket(const Path& path, uint32_t mark);
/// Gives a tunnel's socket another far end.
bool reconnect(const File& socket, const Endpoint& remote);

/// A PPPoL2TP socket that belongs to nothing yet. Throws OpenError.
File pppol2tpOpen();
/// Makes the L2TP tunnel (session ids 0) or a session in it. The tunnel lives as long as `udp`. Throws OpenError.
File pppol2tpSocket(const File& udp, const Path& path, const L2tpIds& ids, bool sequencing);

/// /dev/ppp attached to the socket's channel: LCP, authentication, and while there is no interface everything. Throws OpenError.
File pppChannel(const File& session);
/// A new interface `pppN` that carries nothing yet; `number` is N. Throws OpenError.
File pppUnit(int& number);
/// The number of an interface's unit, or -1.
int unitNumber(const File& unit);
/// Puts a channel under an interface.
bool connectUnit(const File& channel, int number);
bool disconnectUnit(const File& channel);
/// Lets IPv4 and IPv6 pass or drops them.
bool setNetworkModes(const File& unit, bool v4, bool v6);
/// Compression of the protocol and address fields when sending, where the kernel does it.
void setCompression(const File& unit, bool pfc, bool acfc);

}  // namespace gatehouse::os
