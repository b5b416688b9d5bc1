#include "kernel/packet-socket.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "linux/open-error.h"

namespace gatehouse::kernel {
namespace {

constexpr uint32_t udp = 17;
constexpr uint32_t dhcpServer = 67;
constexpr uint32_t fragmentOffset = 0x1FFF;
constexpr size_t largestPacket = 65536;

}  // namespace

PacketSocket::PacketSocket()
    : file_(::socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)), buffer_(largestPacket) {
  if (!file_.open()) throw os::OpenError(errno, "packet socket", "cannot open");
  // Protocol UDP, not a later fragment, destination port 67 behind the IP header.
  std::array<sock_filter, 9> program = {{
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 9),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, udp, 0, 6),
      BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 6),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, fragmentOffset, 4, 0),
      BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),
      BPF_STMT(BPF_LD | BPF_H | BPF_IND, 2),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, dhcpServer, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, 0xFFFFFFFF),
      BPF_STMT(BPF_RET | BPF_K, 0),
  }};
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  // The filter comes before the first packet.
  if (setsockopt(file_.get(), SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) != 0)
    throw os::OpenError(errno, "packet socket", "cannot filter");
  sockaddr_ll name{};
  name.sll_family = AF_PACKET;
  name.sll_protocol = htons(ETH_P_IP);
  if (::bind(file_.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0)
    throw os::OpenError(errno, "packet socket", "cannot bind");
}

std::span<const uint8_t> PacketSocket::receive(int& interface) {
  sockaddr_ll name{};
  socklen_t length = sizeof name;
  const ssize_t count = ::recvfrom(file_.get(), buffer_.data(), buffer_.size(), MSG_DONTWAIT,
                                   reinterpret_cast<sockaddr*>(&name), &length);
  interface = name.sll_ifindex;
  return count <= 0 ? std::span<const uint8_t>{} : std::span<const uint8_t>{buffer_.data(), static_cast<size_t>(count)};
}

}  // namespace gatehouse::kernel
