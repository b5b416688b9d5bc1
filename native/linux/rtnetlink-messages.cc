#include "linux/rtnetlink-messages.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <array>

namespace gatehouse::os::rtnetlink {
namespace {

constexpr uint16_t changing = NLM_F_REQUEST | NLM_F_ACK;
constexpr uint16_t making = changing | NLM_F_CREATE | NLM_F_REPLACE;

/// PPP's own three packets are for modems.
constexpr uint32_t queueLength = 1000;

uint8_t familyOf(const Address& address) { return address.isV4() ? AF_INET : AF_INET6; }

Message aboutAddress(uint16_t type, uint16_t flags, int index, const Address& local, const Address& remote) {
  Message message(type, flags);
  ifaddrmsg head{};
  head.ifa_family = familyOf(local);
  head.ifa_prefixlen = static_cast<uint8_t>(local.length * 8);
  head.ifa_index = static_cast<uint32_t>(index);
  message.put(head);
  const Address& other = remote.known() ? remote : local;
  message.attribute(IFA_LOCAL, local.octets.data(), local.length);
  message.attribute(IFA_ADDRESS, other.octets.data(), other.length);
  return message;
}

Message aboutRoute(uint16_t type, uint16_t flags, int index, const Network& network) {
  Message message(type, flags);
  rtmsg head{};
  head.rtm_family = familyOf(network.address);
  head.rtm_dst_len = network.prefix;
  head.rtm_table = RT_TABLE_MAIN;
  head.rtm_protocol = RTPROT_STATIC;
  head.rtm_scope = RT_SCOPE_LINK;
  head.rtm_type = RTN_UNICAST;
  message.put(head);
  message.attribute(RTA_DST, network.address.octets.data(), network.address.length);
  message.attribute(RTA_OIF, index);
  return message;
}

}  // namespace

Message setLink(int index, const std::string& name, uint32_t mtu) {
  Message message(RTM_NEWLINK, changing);
  ifinfomsg head{};
  head.ifi_index = index;
  head.ifi_flags = head.ifi_change = IFF_UP;
  message.put(head).text(IFLA_IFNAME, name).attribute(IFLA_MTU, mtu).attribute(IFLA_TXQLEN, queueLength);
  return message;
}

Message setMtu(int index, uint32_t mtu) {
  Message message(RTM_NEWLINK, changing);
  ifinfomsg head{};
  head.ifi_index = index;
  message.put(head).attribute(IFLA_MTU, mtu);
  return message;
}

Message addAddress(int index, const Address& local, const Address& remote) {
  return aboutAddress(RTM_NEWADDR, making, index, local, remote);
}
Message removeAddress(int index, const Address& local, const Address& remote) {
  return aboutAddress(RTM_DELADDR, changing, index, local, remote);
}
Message addRoute(int index, const Network& network) { return aboutRoute(RTM_NEWROUTE, making, index, network); }
Message removeRoute(int index, const Network& network) { return aboutRoute(RTM_DELROUTE, changing, index, network); }

Message dumpStatistics() {
  Message message(RTM_GETSTATS, NLM_F_REQUEST | NLM_F_DUMP);
  if_stats_msg head{};
  head.filter_mask = IFLA_STATS_FILTER_BIT(IFLA_STATS_LINK_64);
  message.put(head);
  return message;
}

std::optional<Statistics> readStatistics(const Received& message) {
  constexpr size_t head = sizeof(if_stats_msg);
  if (message.type != RTM_NEWSTATS || message.body.size() < head) return std::nullopt;
  // Newer kernels have more fields behind those that are read.
  const auto counts = valueOf<std::array<uint64_t, 4>>(message.attribute(head, IFLA_STATS_LINK_64));
  return Statistics{static_cast<int>(message.head<if_stats_msg>().ifindex), counts[2], counts[0], counts[3], counts[1]};
}

}  // namespace gatehouse::os::rtnetlink
