#include "linux/ppp-device.h"

#include <fcntl.h>
#include <linux/if_pppol2tp.h>
#include <linux/if_pppox.h>
#include <linux/ppp-ioctl.h>
#include <linux/ppp_defs.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "linux/open-error.h"
#include "linux/sockets.h"

namespace gatehouse::os {
namespace {

constexpr const char* pppFile = "/dev/ppp";

void setOption(int descriptor, int level, int name, int value) {
  setsockopt(descriptor, level, name, &value, sizeof value);
}

socklen_t toName(const Endpoint& endpoint, sockaddr_storage& name) {
  if (endpoint.address.isV4()) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(endpoint.port);
    std::memcpy(&in.sin_addr, endpoint.address.octets.data(), 4);
    std::memcpy(&name, &in, sizeof in);
    return sizeof in;
  }
  sockaddr_in6 in{};
  in.sin6_family = AF_INET6;
  in.sin6_port = htons(endpoint.port);
  std::memcpy(&in.sin6_addr, endpoint.address.octets.data(), 16);
  std::memcpy(&name, &in, sizeof in);
  return sizeof in;
}

template <typename T>
void putIds(T& name, const File& udp, const L2tpIds& ids) {
  name.pppol2tp.fd = udp.get();
  name.pppol2tp.s_tunnel = ids.localTunnel;
  name.pppol2tp.s_session = ids.localSession;
  name.pppol2tp.d_tunnel = ids.remoteTunnel;
  name.pppol2tp.d_session = ids.remoteSession;
}

template <typename T>
int connectBy(const File& file, const File& udp, const sockaddr_storage& remote, const L2tpIds& ids) {
  T name{};
  name.sa_family = AF_PPPOX;
  name.sa_protocol = PX_PROTO_OL2TP;
  std::memcpy(&name.pppol2tp.addr, &remote, sizeof name.pppol2tp.addr);
  putIds(name, udp, ids);
  // The kernel's structure is packed; what is passed is aligned.
  sockaddr_storage aligned{};
  std::memcpy(&aligned, &name, sizeof name);
  return ::connect(file.get(), reinterpret_cast<const sockaddr*>(&aligned), sizeof name);
}

int connectPppox(const File& file, const File& udp, const Path& path, const L2tpIds& ids) {
  sockaddr_storage remote{};
  toName(path.remote, remote);
  return path.remote.address.isV4() ? connectBy<sockaddr_pppol2tp>(file, udp, remote, ids)
                                    : connectBy<sockaddr_pppol2tpin6>(file, udp, remote, ids);
}

File openPpp() {
  File file(::open(pppFile, O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!file.open()) throw OpenError(errno, pppFile, "cannot open");
  return file;
}

}  // namespace

File tunnelSocket(const Path& path, uint32_t mark) {
  const bool v4 = path.local.address.isV4();
  const std::string subject = "udp " + showAddress(path.local.address) + ":" + std::to_string(path.local.port);
  File file(::socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!file.open()) throw OpenError(errno, subject, "cannot open");
  setOption(file.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (v4) {
    setOption(file.get(), IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
    setOption(file.get(), SOL_SOCKET, SO_NO_CHECK, 1);
  } else {
    setOption(file.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1);
    setOption(file.get(), IPPROTO_IPV6, IPV6_MTU_DISCOVER, IP_PMTUDISC_DONT);
    setOption(file.get(), IPPROTO_UDP, UDP_NO_CHECK6_RX, 1);
  }
  sockaddr_storage name{};
  socklen_t length = toName(path.local, name);
  if (::bind(file.get(), reinterpret_cast<const sockaddr*>(&name), length) != 0)
    throw OpenError(errno, subject, "cannot bind");
  length = toName(path.remote, name);
  if (::connect(file.get(), reinterpret_cast<const sockaddr*>(&name), length) != 0)
    throw OpenError(errno, subject, "cannot connect");
  // Marked after connecting: while the peer's policy blocks, a marked socket finds no route.
  const int number = static_cast<int>(mark);
  if (setsockopt(file.get(), SOL_SOCKET, SO_MARK, &number, sizeof number) != 0)
    throw OpenError(errno, subject, "cannot mark");
  return file;
}

bool reconnect(const File& socket, const Endpoint& remote) {
  sockaddr_storage name{};
  const socklen_t length = toName(remote, name);
  return ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&name), length) == 0;
}

File pppol2tpOpen() {
  File file(::socket(AF_PPPOX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, PX_PROTO_OL2TP));
  if (!file.open()) throw OpenError(errno, "PPPoL2TP socket", "cannot open");
  return file;
}

File pppol2tpSocket(const File& udp, const Path& path, const L2tpIds& ids, bool sequencing) {
  File file = pppol2tpOpen();
  const std::string subject =
      "PPPoL2TP tunnel " + std::to_string(ids.localTunnel) + " session " + std::to_string(ids.localSession);
  if (connectPppox(file, udp, path, ids) != 0) throw OpenError(errno, subject, "cannot connect");
  if (ids.localSession != 0) {
    // Whether data is numbered is our choice, not the peer's (RFC 2661 §5.4).
    setOption(file.get(), SOL_PPPOL2TP, PPPOL2TP_SO_LNSMODE, 1);
    if (sequencing) setOption(file.get(), SOL_PPPOL2TP, PPPOL2TP_SO_SENDSEQ, 1);
  }
  return file;
}

File pppChannel(const File& session) {
  int channel = 0;
  if (::ioctl(session.get(), PPPIOCGCHAN, &channel) != 0) throw OpenError(errno, "PPP channel", "cannot find");
  File file = openPpp();
  if (::ioctl(file.get(), PPPIOCATTCHAN, &channel) != 0) throw OpenError(errno, "PPP channel", "cannot attach");
  return file;
}

File pppUnit(int& number) {
  File file = openPpp();
  number = -1;
  if (::ioctl(file.get(), PPPIOCNEWUNIT, &number) != 0) throw OpenError(errno, "PPP interface", "cannot make");
  return file;
}

int unitNumber(const File& unit) {
  int number = -1;
  return ::ioctl(unit.get(), PPPIOCGUNIT, &number) == 0 ? number : -1;
}

bool connectUnit(const File& channel, int number) { return ::ioctl(channel.get(), PPPIOCCONNECT, &number) == 0; }

bool disconnectUnit(const File& channel) { return ::ioctl(channel.get(), PPPIOCDISCONN) == 0; }

bool setNetworkModes(const File& unit, bool v4, bool v6) {
  npioctl mode{PPP_IP, v4 ? NPMODE_PASS : NPMODE_DROP};
  if (::ioctl(unit.get(), PPPIOCSNPMODE, &mode) != 0) return false;
  // A kernel without IPv6 has no such mode and nothing to let through.
  mode = {PPP_IPV6, v6 ? NPMODE_PASS : NPMODE_DROP};
  return ::ioctl(unit.get(), PPPIOCSNPMODE, &mode) == 0 || !v6;
}

void setCompression(const File& unit, bool pfc, bool acfc) {
  int flags = 0;
  if (::ioctl(unit.get(), PPPIOCGFLAGS, &flags) != 0) return;
  flags &= ~(SC_COMP_PROT | SC_COMP_AC);
  if (pfc) flags |= SC_COMP_PROT;
  if (acfc) flags |= SC_COMP_AC;
  ::ioctl(unit.get(), PPPIOCSFLAGS, &flags);
}

}  // namespace gatehouse::os
