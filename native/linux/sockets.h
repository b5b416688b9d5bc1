// UDP and raw ESP sockets as the data plane needs them: many datagrams a call, the address that was asked, segmentation and coalescing by the kernel.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "linux/file.h"
#include "pipeline/address.h"

namespace gatehouse::os {

using pipeline::Address;
using pipeline::Endpoint;
using pipeline::Path;

/// ESP that the table has given another number, since nobody has its SA (RFC 3692: for experiments).
constexpr int strayEspProtocol = 253;

struct SocketOptions {
  /// What to bind to; an address of length 0 with `family` is every address.
  Address address;
  int family = AF_INET;
  /// 0: any free port. Not for ESP.
  uint16_t port = 0;
  /// Several workers bind the same port.
  bool shared = false;
  /// Use GSO and GRO where the kernel has them.
  bool offloads = true;
  /// Of a raw socket.
  int protocol = IPPROTO_ESP;
};

/// One worker's socket.
class Socket {
 public:
  static Socket udp(const SocketOptions& options);
  /// One that is open already and was made with the same options.
  static Socket adopted(File file, const SocketOptions& options) { return {std::move(file), options, false}; }
  /// Raw, protocol 50 (or `options.protocol`). Of several workers' sockets each takes the SPIs with remainder `index` by `count`.
  static Socket esp(const SocketOptions& options, uint32_t index, uint32_t count);

  [[nodiscard]] int descriptor() const { return file_.get(); }
  [[nodiscard]] const File& file() const { return file_; }
  [[nodiscard]] int family() const { return family_; }
  [[nodiscard]] uint16_t port() const { return port_; }
  [[nodiscard]] bool raw() const { return raw_; }
  [[nodiscard]] bool coalesces() const { return coalesces_; }
  [[nodiscard]] bool segments() const { return segments_; }
  /// Bound to this address, or to every one of the family.
  [[nodiscard]] bool serves(const Address& local) const;

  /// Of the sockets that share this one's port, the SPI's remainder chooses; IKE (SPI 0) goes to the first. False where the kernel can't.
  bool steerBySpi(uint32_t count);
  /// The kernel takes ESP out of what comes (RFC 3948) and hands up the rest, IKE behind its marker. False where the kernel can't.
  bool decapsulate();
  /// Datagrams come with the packet's mark (Linux 5.19). False where the kernel can't.
  bool receiveMarks();

 private:
  Socket(File file, const SocketOptions& options, bool raw);

  File file_;
  int family_;
  Address address_;
  uint16_t port_ = 0;
  bool raw_;
  bool coalesces_ = false;
  bool segments_ = false;
};

/// One datagram, or several of `segment` octets (the last may be shorter) that the kernel has put together.
struct Datagram {
  uint8_t* data = nullptr;
  uint32_t length = 0;
  uint32_t segment = 0;
  /// Of the packet, where the socket asked for it.
  uint32_t mark = 0;
  Path path;
  /// Of the outer IP header: DSCP and ECN.
  uint8_t trafficClass = 0;
};

/// Buffers for one call of recvmmsg().
class ReceiveBatch {
 public:
  static constexpr unsigned capacity = 32;
  ReceiveBatch();
  /// How many came, at most `capacity`; 0 if none is waiting. For raw IPv4 the IP header is taken off.
  unsigned receive(const Socket& socket);
  Datagram& operator[](unsigned index) { return datagrams_[index]; }

 private:
  // A little more than 64 KiB, so that buffers don't begin at the same place in every cache set.
  static constexpr size_t room = 65536 + 576;
  std::unique_ptr<uint8_t[]> octets_;
  std::array<Datagram, capacity> datagrams_;
  std::array<mmsghdr, capacity> messages_{};
  std::array<iovec, capacity> vectors_{};
  std::array<sockaddr_storage, capacity> names_{};
  struct alignas(cmsghdr) Control {
    char octets[128];
  };
  std::array<Control, capacity> controls_{};
};

/// What to send: as a Datagram, but the data is only read.
struct Outgoing {
  const uint8_t* data = nullptr;
  uint32_t length = 0;
  /// 0, or the size of the datagrams that the kernel is to cut it into.
  uint32_t segment = 0;
  const Path* path = nullptr;
  /// Not 0: the packet carries it.
  uint32_t mark = 0;
  /// DSCP and ECN of the outer IP header.
  uint8_t trafficClass = 0;
};

struct SendResult {
  uint32_t sent = 0;
  uint32_t failed = 0;
  /// Super-datagrams that the kernel didn't cut (the path's MTU is too small, or no GSO): sent one by one.
  uint32_t cutHere = 0;
};

/// Sends all, waiting a little where the socket's buffer is full.
SendResult sendAll(const Socket& socket, const Outgoing* items, size_t count);

/// The MTU of the route to there, as the kernel knows it now; 0 if it doesn't.
uint32_t routeMtu(const Path& path);

std::string showAddress(const Address& address);

}  // namespace gatehouse::os
