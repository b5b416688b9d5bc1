// DHCP from clients, seen before the IP layer: a client may ask from 0.0.0.0 and to 255.255.255.255 on an interface that answers nobody.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "linux/file.h"

namespace gatehouse::kernel {

class PacketSocket {
 public:
  /// Sees IPv4 packets to UDP port 67 on every interface. Throws OpenError.
  PacketSocket();
  [[nodiscard]] int descriptor() const { return file_.get(); }
  /// The next packet and the interface that it came by; empty if there is none.
  std::span<const uint8_t> receive(int& interface);

 private:
  os::File file_;
  std::vector<uint8_t> buffer_;
};

}  // namespace gatehouse::kernel
