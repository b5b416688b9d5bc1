// The MSS option of TCP SYNs (RFC 9293 §3.7.1), lowered to what fits the tunnel: what makes path MTU discovery unnecessary for TCP.
#pragma once

#include <cstddef>
#include <cstdint>

#include "pipeline/ip-packet.h"

namespace gatehouse::pipeline {

/// Lowers the option to `mtu` less the IP and TCP headers, with the checksum following, if the packet is a TCP SYN that asks for more. Never raises it,
/// and adds none where there is none. True if it changed something. `packet.data` must be writable.
/// `partialChecksum`: the field holds only the pseudo-header's sum, and somebody else adds the rest (so it stays as it is).
bool clampMss(const IpPacket& packet, uint32_t mtu, bool partialChecksum);

}  // namespace gatehouse::pipeline
