#include "linux/tun.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>

#include "linux/open-error.h"
#include "linux/sockets.h"

// In the kernel since 6.2; the headers here may be older than the kernel that runs.
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

namespace gatehouse::os {
namespace {

constexpr const char* tunFile = "/dev/net/tun";
constexpr int virtioHeaderLength = 10;

/// struct in6_ifreq, which only a kernel header has that doesn't go with the C library's.
struct Ipv6Request {
  in6_addr address;
  uint32_t prefix;
  int index;
};

ifreq requestFor(const std::string& name) {
  ifreq request{};
  name.copy(request.ifr_name, IFNAMSIZ - 1);
  return request;
}

}  // namespace

Tun::Tun(const TunOptions& options) : name_(options.name) {
  if (options.name.empty() || options.name.size() >= IFNAMSIZ)
    throw OpenError(EINVAL, "device name '" + options.name + "'", "cannot use");
  for (uint32_t i = 0; i < options.queues; i++) openQueue(options, options.queues > 1);
  bringUp(options);
}

void Tun::openQueue(const TunOptions& options, bool several) {
  File file(::open(tunFile, O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!file.open()) throw OpenError(errno, tunFile, "cannot open");
  ifreq request = requestFor(options.name);
  request.ifr_flags = static_cast<short>(IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | (several ? IFF_MULTI_QUEUE : 0) |
                                         (queues_.empty() ? IFF_TUN_EXCL : 0));
  if (::ioctl(file.get(), TUNSETIFF, &request) != 0) throw OpenError(errno, "device " + options.name, "cannot create");
  int length = virtioHeaderLength;
  if (::ioctl(file.get(), TUNSETVNETHDRSZ, &length) != 0)
    throw OpenError(errno, "device " + options.name, "cannot set up");
  if (options.offloads) setOffloads(file.get());
  queues_.push_back(std::move(file));
}

void Tun::setOffloads(int descriptor) {
  constexpr unsigned long tcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
  checksums_ = tcp_ = udp_ = false;
  if (::ioctl(descriptor, TUNSETOFFLOAD, tcp | TUN_F_USO4 | TUN_F_USO6) == 0) {
    checksums_ = tcp_ = udp_ = true;
  } else if (::ioctl(descriptor, TUNSETOFFLOAD, tcp) == 0) {
    checksums_ = tcp_ = true;
  } else if (::ioctl(descriptor, TUNSETOFFLOAD, static_cast<unsigned long>(TUN_F_CSUM)) == 0) {
    checksums_ = true;
  }
}

void Tun::bringUp(const TunOptions& options) {
  const std::string subject = "device " + name_;
  // No link-local address of the kernel's own making, and none of its neighbour discovery: link-locals here belong to PPP.
  if (File mode(::open(("/proc/sys/net/ipv6/conf/" + name_ + "/addr_gen_mode").c_str(), O_WRONLY | O_CLOEXEC));
      mode.open()) {
    [[maybe_unused]] const auto written = ::write(mode.get(), "1", 1);
  }
  const File socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request = requestFor(name_);
  request.ifr_mtu = static_cast<int>(options.mtu);
  if (::ioctl(socket.get(), SIOCSIFMTU, &request) != 0) throw OpenError(errno, subject, "cannot set the MTU of");
  if (options.address.isV4()) {
    request = requestFor(name_);
    auto* in = reinterpret_cast<sockaddr_in*>(&request.ifr_addr);
    in->sin_family = AF_INET;
    std::memcpy(&in->sin_addr, options.address.octets.data(), 4);
    if (::ioctl(socket.get(), SIOCSIFADDR, &request) != 0) throw OpenError(errno, subject, "cannot set the address of");
    in->sin_addr.s_addr = htonl(options.prefix == 0 ? 0 : ~uint32_t{0} << (32 - options.prefix));
    if (::ioctl(socket.get(), SIOCSIFNETMASK, &request) != 0)
      throw OpenError(errno, subject, "cannot set the netmask of");
  } else if (options.address.known()) {
    const File socket6(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    Ipv6Request request6{};
    std::memcpy(&request6.address, options.address.octets.data(), 16);
    request6.prefix = options.prefix;
    request6.index = static_cast<int>(if_nametoindex(name_.c_str()));
    if (::ioctl(socket6.get(), SIOCSIFADDR, &request6) != 0)
      throw OpenError(errno, subject, "cannot set the address of");
  }
  request = requestFor(name_);
  if (::ioctl(socket.get(), SIOCGIFFLAGS, &request) != 0) throw OpenError(errno, subject, "cannot bring up");
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
  if (::ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0) throw OpenError(errno, subject, "cannot bring up");
}

}  // namespace gatehouse::os
