#include "linux/sockets.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <netinet/udp.h>
#include <poll.h>

#include <algorithm>
#include <cstring>

#include "linux/open-error.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif
#ifndef SO_RCVMARK
#define SO_RCVMARK 75
#endif

namespace gatehouse::os {
namespace {

/// The same number in both families.
constexpr int pathMtuDiscoveryOff = IP_PMTUDISC_DONT;
static_assert(IP_PMTUDISC_DONT == IPV6_PMTUDISC_DONT);
constexpr int socketBuffer = 8 * 1024 * 1024;
/// How long a full send buffer may hold a worker up before the datagrams are dropped, in milliseconds.
constexpr int sendPatience = 5;
/// UDP_ENCAP_ESPINUDP: linux/udp.h clashes with the C library's header.
constexpr int udpEncap = 100;
constexpr int espInUdp = 2;

sockaddr_storage toName(int family, const Address& address, uint16_t port, socklen_t& length) {
  sockaddr_storage name{};
  if (family == AF_INET) {
    auto* in = reinterpret_cast<sockaddr_in*>(&name);
    in->sin_family = AF_INET;
    in->sin_port = htons(port);
    if (address.known()) std::memcpy(&in->sin_addr, address.octets.data(), 4);
    length = sizeof *in;
  } else {
    auto* in = reinterpret_cast<sockaddr_in6*>(&name);
    in->sin6_family = AF_INET6;
    in->sin6_port = htons(port);
    if (address.known()) std::memcpy(&in->sin6_addr, address.octets.data(), 16);
    length = sizeof *in;
  }
  return name;
}

Endpoint fromName(const sockaddr_storage& name) {
  if (name.ss_family == AF_INET) {
    const auto* in = reinterpret_cast<const sockaddr_in*>(&name);
    return {Address::from(reinterpret_cast<const uint8_t*>(&in->sin_addr), 4), ntohs(in->sin_port)};
  }
  const auto* in = reinterpret_cast<const sockaddr_in6*>(&name);
  return {Address::from(reinterpret_cast<const uint8_t*>(&in->sin6_addr), 16), ntohs(in->sin6_port)};
}

std::string subjectOf(const SocketOptions& options, bool raw) {
  const std::string address = options.address.known()     ? showAddress(options.address)
                              : options.family == AF_INET ? "0.0.0.0"
                                                          : "[::]";
  if (!raw) return "udp " + address + ":" + std::to_string(options.port);
  const std::string name = options.protocol == IPPROTO_ESP ? " (ESP)" : "";
  return "protocol " + std::to_string(options.protocol) + name + " on " + address;
}

bool setOption(int descriptor, int level, int name, int value) {
  return setsockopt(descriptor, level, name, &value, sizeof value) == 0;
}

void setBuffers(int descriptor) {
  if (!setOption(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, socketBuffer))
    setOption(descriptor, SOL_SOCKET, SO_RCVBUF, socketBuffer);
  if (!setOption(descriptor, SOL_SOCKET, SO_SNDBUFFORCE, socketBuffer))
    setOption(descriptor, SOL_SOCKET, SO_SNDBUF, socketBuffer);
}

File bound(const SocketOptions& options, bool raw) {
  const std::string subject = subjectOf(options, raw);
  File file(::socket(options.family, (raw ? SOCK_RAW : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC,
                     raw ? options.protocol : 0));
  if (!file.open()) throw OpenError(errno, subject, "cannot open");
  const bool v4 = options.family == AF_INET;
  if (options.shared && !raw) setOption(file.get(), SOL_SOCKET, SO_REUSEPORT, 1);
  if (!v4) setOption(file.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1);
  setOption(file.get(), v4 ? static_cast<int>(IPPROTO_IP) : static_cast<int>(IPPROTO_IPV6),
            v4 ? IP_PKTINFO : IPV6_RECVPKTINFO, 1);
  setOption(file.get(), v4 ? static_cast<int>(IPPROTO_IP) : static_cast<int>(IPPROTO_IPV6),
            v4 ? IP_RECVTOS : IPV6_RECVTCLASS, 1);
  // DF stays clear, so that the kernel fragments what is larger than the path: IKE with certificates, PPP frames with EAP-TLS.
  setOption(file.get(), v4 ? static_cast<int>(IPPROTO_IP) : static_cast<int>(IPPROTO_IPV6),
            v4 ? IP_MTU_DISCOVER : IPV6_MTU_DISCOVER, pathMtuDiscoveryOff);
  setBuffers(file.get());
  socklen_t length;
  const sockaddr_storage name = toName(options.family, options.address, raw ? uint16_t{0} : options.port, length);
  if (::bind(file.get(), reinterpret_cast<const sockaddr*>(&name), length) != 0)
    throw OpenError(errno, subject, "cannot bind");
  return file;
}

sock_filter instruction(uint16_t code, uint32_t k, uint8_t yes = 0, uint8_t no = 0) { return {code, yes, no, k}; }

}  // namespace

Socket::Socket(File file, const SocketOptions& options, bool raw)
    : file_(std::move(file)), family_(options.family), address_(options.address), raw_(raw) {
  sockaddr_storage name{};
  socklen_t length = sizeof name;
  if (!raw && getsockname(file_.get(), reinterpret_cast<sockaddr*>(&name), &length) == 0) port_ = fromName(name).port;
}

Socket Socket::udp(const SocketOptions& options) {
  Socket socket(bound(options, false), options, false);
  if (!options.offloads) return socket;
  socket.coalesces_ = setOption(socket.descriptor(), IPPROTO_UDP, UDP_GRO, 1);
  int segment = 0;
  socklen_t length = sizeof segment;
  socket.segments_ = getsockopt(socket.descriptor(), IPPROTO_UDP, UDP_SEGMENT, &segment, &length) == 0;
  return socket;
}

Socket Socket::esp(const SocketOptions& options, uint32_t index, uint32_t count) {
  Socket socket(bound(options, true), options, true);
  if (count > 1) {
    // IPv4 raw sockets see the IP header, IPv6 ones don't.
    const bool v4 = options.family == AF_INET;
    std::array<sock_filter, 6> program = {
        v4 ? instruction(BPF_LDX | BPF_B | BPF_MSH, 0) : instruction(BPF_LDX | BPF_IMM, 0),
        instruction(BPF_LD | BPF_W | BPF_IND, 0),
        instruction(BPF_ALU | BPF_MOD | BPF_K, count),
        instruction(BPF_JMP | BPF_JEQ | BPF_K, index, 0, 1),
        instruction(BPF_RET | BPF_K, 0x40000),
        instruction(BPF_RET | BPF_K, 0),
    };
    const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
    if (setsockopt(socket.descriptor(), SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) != 0) {
      throw OpenError(errno, subjectOf(options, true), "cannot filter");
    }
  }
  return socket;
}

bool Socket::serves(const Address& local) const {
  return (local.isV4() ? AF_INET : AF_INET6) == family_ && (!address_.known() || address_ == local);
}

bool Socket::steerBySpi(uint32_t count) {
  // Too short for an SPI (a keepalive): the load fails and the first socket gets it.
  std::array<sock_filter, 3> program = {
      instruction(BPF_LD | BPF_W | BPF_ABS, 0),
      instruction(BPF_ALU | BPF_MOD | BPF_K, count),
      instruction(BPF_RET | BPF_A, 0),
  };
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  return setsockopt(descriptor(), SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &filter, sizeof filter) == 0;
}

bool Socket::decapsulate() { return setOption(descriptor(), IPPROTO_UDP, udpEncap, espInUdp); }

bool Socket::receiveMarks() { return setOption(descriptor(), SOL_SOCKET, SO_RCVMARK, 1); }

ReceiveBatch::ReceiveBatch() : octets_(new uint8_t[capacity * room]) {
  for (unsigned i = 0; i < capacity; i++) {
    vectors_[i] = {&octets_[i * room], 65536};
    messages_[i].msg_hdr.msg_iov = &vectors_[i];
    messages_[i].msg_hdr.msg_iovlen = 1;
    messages_[i].msg_hdr.msg_name = &names_[i];
    messages_[i].msg_hdr.msg_control = controls_[i].octets;
  }
}

unsigned ReceiveBatch::receive(const Socket& socket) {
  for (auto& message : messages_) {
    message.msg_hdr.msg_namelen = sizeof(sockaddr_storage);
    message.msg_hdr.msg_controllen = sizeof(Control::octets);
  }
  const int count = recvmmsg(socket.descriptor(), messages_.data(), capacity, MSG_DONTWAIT, nullptr);
  if (count <= 0) return 0;
  unsigned kept = 0;
  for (int i = 0; i < count; i++) {
    msghdr& header = messages_[static_cast<unsigned>(i)].msg_hdr;
    Datagram& datagram = datagrams_[kept];
    datagram = {static_cast<uint8_t*>(header.msg_iov->iov_base), messages_[static_cast<unsigned>(i)].msg_len, 0, 0, {}};
    if ((header.msg_flags & MSG_TRUNC) != 0) continue;
    datagram.path.remote = fromName(*static_cast<sockaddr_storage*>(header.msg_name));
    datagram.path.local.port = socket.port();
    for (cmsghdr* control = CMSG_FIRSTHDR(&header); control != nullptr; control = CMSG_NXTHDR(&header, control)) {
      if (control->cmsg_level == IPPROTO_UDP && control->cmsg_type == UDP_GRO) {
        int segment;
        std::memcpy(&segment, CMSG_DATA(control), sizeof segment);
        datagram.segment = static_cast<uint32_t>(segment);
      } else if (control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_PKTINFO) {
        in_pktinfo info;
        std::memcpy(&info, CMSG_DATA(control), sizeof info);
        datagram.path.local.address = Address::from(reinterpret_cast<const uint8_t*>(&info.ipi_addr), 4);
      } else if (control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_PKTINFO) {
        in6_pktinfo info;
        std::memcpy(&info, CMSG_DATA(control), sizeof info);
        datagram.path.local.address = Address::from(reinterpret_cast<const uint8_t*>(&info.ipi6_addr), 16);
      } else if ((control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_TOS) ||
                 (control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_TCLASS)) {
        // One octet for IPv4, an int for IPv6.
        int trafficClass = 0;
        if (control->cmsg_level == IPPROTO_IPV6) {
          std::memcpy(&trafficClass, CMSG_DATA(control), sizeof trafficClass);
        } else {
          trafficClass = *CMSG_DATA(control);
        }
        datagram.trafficClass = static_cast<uint8_t>(trafficClass);
      } else if (control->cmsg_level == SOL_SOCKET && control->cmsg_type == SO_MARK) {
        std::memcpy(&datagram.mark, CMSG_DATA(control), sizeof datagram.mark);
      }
    }
    if (!datagram.path.local.address.known()) continue;
    if (socket.raw()) {
      datagram.path.remote.port = 0;
      if (socket.family() == AF_INET) {
        const uint32_t skip = datagram.length == 0 ? 0 : (datagram.data[0] & 0x0FU) * 4;
        if (skip < 20 || skip > datagram.length) continue;
        datagram.data += skip;
        datagram.length -= skip;
      }
    }
    if (datagram.segment == 0) datagram.segment = datagram.length;
    kept += 1;
  }
  return kept;
}

namespace {

/// One message with its source address and segment size, as sendmmsg() wants it.
struct Message {
  sockaddr_storage name;
  iovec vector;
  struct alignas(cmsghdr) {
    char octets[CMSG_SPACE(sizeof(in6_pktinfo)) + CMSG_SPACE(sizeof(uint16_t)) + CMSG_SPACE(sizeof(uint32_t)) +
                CMSG_SPACE(sizeof(int))];
  } control;
};

template <typename T>
cmsghdr* putControl(msghdr& header, cmsghdr* at, int level, int type, const T& value) {
  at->cmsg_level = level;
  at->cmsg_type = type;
  at->cmsg_len = CMSG_LEN(sizeof value);
  std::memcpy(CMSG_DATA(at), &value, sizeof value);
  header.msg_controllen += CMSG_SPACE(sizeof value);
  return reinterpret_cast<cmsghdr*>(reinterpret_cast<char*>(at) + CMSG_SPACE(sizeof value));
}

void fill(const Socket& socket, const Outgoing& item, Message& message, msghdr& header) {
  header = {};
  message.name = toName(socket.family(), item.path->remote.address, socket.raw() ? uint16_t{0} : item.path->remote.port,
                        header.msg_namelen);
  header.msg_name = &message.name;
  message.vector = {const_cast<uint8_t*>(item.data), item.length};
  header.msg_iov = &message.vector;
  header.msg_iovlen = 1;
  header.msg_control = message.control.octets;
  auto* at = reinterpret_cast<cmsghdr*>(message.control.octets);
  if (socket.family() == AF_INET) {
    in_pktinfo info{};
    std::memcpy(&info.ipi_spec_dst, item.path->local.address.octets.data(), 4);
    at = putControl(header, at, IPPROTO_IP, IP_PKTINFO, info);
  } else {
    in6_pktinfo info{};
    std::memcpy(&info.ipi6_addr, item.path->local.address.octets.data(), 16);
    at = putControl(header, at, IPPROTO_IPV6, IPV6_PKTINFO, info);
  }
  if (item.segment != 0 && item.segment < item.length)
    at = putControl(header, at, IPPROTO_UDP, UDP_SEGMENT, static_cast<uint16_t>(item.segment));
  if (item.mark != 0) at = putControl(header, at, SOL_SOCKET, SO_MARK, item.mark);
  if (item.trafficClass != 0)
    putControl(header, at, socket.family() == AF_INET ? static_cast<int>(IPPROTO_IP) : static_cast<int>(IPPROTO_IPV6),
               socket.family() == AF_INET ? IP_TOS : IPV6_TCLASS, static_cast<int>(item.trafficClass));
}

bool waitWritable(const Socket& socket) {
  pollfd poll{socket.descriptor(), POLLOUT, 0};
  return ::poll(&poll, 1, sendPatience) > 0;
}

bool sendOne(const Socket& socket, const Outgoing& item) {
  Message message;
  msghdr header;
  fill(socket, item, message, header);
  for (int attempt = 0; attempt < 2; attempt++) {
    if (::sendmsg(socket.descriptor(), &header, MSG_DONTWAIT) >= 0) return true;
    if ((errno != EAGAIN && errno != ENOBUFS) || !waitWritable(socket)) return false;
  }
  return false;
}

void cutAndSend(const Socket& socket, const Outgoing& item, SendResult& result) {
  result.cutHere += 1;
  for (uint32_t at = 0; at < item.length; at += item.segment) {
    const Outgoing one{item.data + at,   std::min(item.segment, item.length - at), 0, item.path, item.mark,
                       item.trafficClass};
    if (sendOne(socket, one)) {
      result.sent += 1;
    } else {
      result.failed += 1;
    }
  }
}

uint32_t datagramsIn(const Outgoing& item) {
  return item.segment == 0 ? 1 : (item.length + item.segment - 1) / item.segment;
}

}  // namespace

SendResult sendAll(const Socket& socket, const Outgoing* items, size_t count) {
  constexpr size_t most = 64;
  std::array<Message, most> messages;
  std::array<mmsghdr, most> headers;
  SendResult result;
  size_t at = 0;
  while (at < count) {
    const size_t some = std::min(most, count - at);
    for (size_t i = 0; i < some; i++) fill(socket, items[at + i], messages[i], headers[i].msg_hdr);
    const int sent = sendmmsg(socket.descriptor(), headers.data(), static_cast<unsigned>(some), MSG_DONTWAIT);
    if (sent > 0) {
      for (int i = 0; i < sent; i++) result.sent += datagramsIn(items[at + static_cast<size_t>(i)]);
      at += static_cast<size_t>(sent);
      continue;
    }
    const int error = errno;
    if ((error == EAGAIN || error == ENOBUFS) && waitWritable(socket)) {
      // Once more; if that fails too the datagram is dropped.
      if (sendOne(socket, items[at])) {
        result.sent += datagramsIn(items[at]);
      } else {
        result.failed += datagramsIn(items[at]);
      }
    } else if (items[at].segment != 0 && items[at].segment < items[at].length &&
               (error == EINVAL || error == EMSGSIZE || error == EIO || error == EOPNOTSUPP)) {
      cutAndSend(socket, items[at], result);
    } else {
      result.failed += datagramsIn(items[at]);
    }
    at += 1;
  }
  return result;
}

uint32_t routeMtu(const Path& path) {
  const int family = path.remote.address.isV4() ? AF_INET : AF_INET6;
  File file(::socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!file.open()) return 0;
  socklen_t length;
  if (path.local.address.known()) {
    const sockaddr_storage local = toName(family, path.local.address, 0, length);
    if (::bind(file.get(), reinterpret_cast<const sockaddr*>(&local), length) != 0) return 0;
  }
  const sockaddr_storage remote =
      toName(family, path.remote.address, path.remote.port == 0 ? uint16_t{4500} : path.remote.port, length);
  if (::connect(file.get(), reinterpret_cast<const sockaddr*>(&remote), length) != 0) return 0;
  int mtu = 0;
  socklen_t size = sizeof mtu;
  const int level = family == AF_INET ? static_cast<int>(IPPROTO_IP) : static_cast<int>(IPPROTO_IPV6);
  if (getsockopt(file.get(), level, family == AF_INET ? IP_MTU : IPV6_MTU, &mtu, &size) != 0) return 0;
  return static_cast<uint32_t>(mtu);
}

std::string showAddress(const Address& address) {
  char text[INET6_ADDRSTRLEN] = {};
  inet_ntop(address.isV4() ? AF_INET : AF_INET6, address.octets.data(), text, sizeof text);
  return text;
}

}  // namespace gatehouse::os
