// A site's policies in this machine's own kernel, in a network namespace: it takes them, packets ask for an SA or are dropped, and what stands reads back.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <fstream>
#include <string>
#include <vector>

#include "linux/file.h"
#include "linux/netlink-socket.h"
#include "linux/rtnetlink-messages.h"
#include "linux/xfrm-messages.h"
#include "test/pipeline/scratch-namespace.h"
#include "test/test.h"

namespace gatehouse::os {
namespace {

using pipeline::Address;
using pipeline::Selector;
using xfrm::SitePolicy;

constexpr int loopbackIndex = 1;

Address host(uint8_t network, uint8_t last) {
  const uint8_t octets[4] = {10, network, 0, last};
  return Address::from(octets, 4);
}

const Selector between{{host(1, 0), 24}, {host(2, 0), 24}, 0, 0, 0};

/// A namespace with both networks on the loopback, whose packets XFRM looks at.
void layOut() {
  std::ofstream("/proc/sys/net/ipv4/conf/lo/disable_xfrm") << "0";
  Netlink route(NETLINK_ROUTE);
  Message up = rtnetlink::setLink(loopbackIndex, "lo", 65536);
  CHECK_EQUAL(route.request(up).why(), Answer{}.why());
  Message addressed = rtnetlink::addAddress(loopbackIndex, host(1, 1), {});
  CHECK_EQUAL(route.request(addressed).why(), Answer{}.why());
  Message routed = rtnetlink::addRoute(loopbackIndex, between.remote);
  CHECK_EQUAL(route.request(routed).why(), Answer{}.why());
}

/// 0, or why a datagram could not be sent.
int sendTo(const Address& to) {
  const File socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(9);
  std::memcpy(&name.sin_addr, to.octets.data(), 4);
  return ::sendto(socket.get(), "x", 1, 0, reinterpret_cast<const sockaddr*>(&name), sizeof name) < 0 ? errno : 0;
}

std::vector<xfrm::Acquire> asked(Netlink& news) {
  std::vector<xfrm::Acquire> all;
  bool lost = false;
  news.notifications(
      [&](const Received& message) {
        if (const auto one = xfrm::readAcquire(message)) all.push_back(*one);
      },
      lost);
  return all;
}

std::vector<SitePolicy> standing(Netlink& xfrm) {
  std::vector<SitePolicy> all;
  Message message = xfrm::dumpPolicies();
  xfrm.dump(message, [&](const Received& one) {
    if (const auto policy = xfrm::readSitePolicy(one)) all.push_back(*policy);
  });
  return all;
}

void inKernel() {
  layOut();
  Netlink xfrm(NETLINK_XFRM);
  Netlink news(NETLINK_XFRM);
  news.join(XFRMNLGRP_ACQUIRE);
  const auto set = [&](const SitePolicy& policy) {
    Message message = xfrm::setSitePolicy(policy);
    CHECK_EQUAL(xfrm.request(message).why(), Answer{}.why());
  };
  SitePolicy policy;
  policy.selector = between;
  policy.action = SitePolicy::Action::ask;
  policy.reqid = 0x69000100;
  set(policy);
  sendTo(host(2, 7));
  sendTo(host(2, 8));
  // One SA is for the whole network: it is asked for once.
  auto wanted = asked(news);
  CHECK_EQUAL(wanted.size(), size_t{1});
  if (!wanted.empty()) {
    CHECK(wanted[0].source.address == host(1, 1));
    CHECK(wanted[0].destination == (pipeline::Endpoint{host(2, 7), 9}));
    CHECK_EQUAL(static_cast<int>(wanted[0].protocol), static_cast<int>(IPPROTO_UDP));
  }

  // Another meaning in its place: hosts ask for themselves.
  policy.transport = true;
  set(policy);
  sendTo(host(2, 7));
  sendTo(host(2, 8));
  CHECK_EQUAL(asked(news).size(), size_t{2});
  CHECK_EQUAL(standing(xfrm).size(), size_t{1});

  policy.action = SitePolicy::Action::block;
  set(policy);
  CHECK_EQUAL(sendTo(host(2, 7)), EPERM);
  CHECK_EQUAL(asked(news).size(), size_t{0});
  // What goes elsewhere is nobody's business.
  CHECK_EQUAL(sendTo(host(1, 1)), 0);

  // The more exact one is asked first.
  SitePolicy narrower = policy;
  narrower.selector.remote = {host(2, 7), 32};
  narrower.action = SitePolicy::Action::pass;
  set(narrower);
  CHECK_EQUAL(sendTo(host(2, 7)), 0);
  CHECK_EQUAL(sendTo(host(2, 8)), EPERM);

  for (const auto way : {SitePolicy::Way::in, SitePolicy::Way::forward}) {
    SitePolicy arrival;
    arrival.selector = between;
    arrival.way = way;
    arrival.action = SitePolicy::Action::protect;
    set(arrival);
  }
  CHECK_EQUAL(standing(xfrm).size(), size_t{4});
  for (const SitePolicy& one : standing(xfrm)) {
    Message message = xfrm::removeSitePolicy(one.selector, one.way);
    CHECK_EQUAL(xfrm.request(message).why(), Answer{}.why());
  }
  CHECK_EQUAL(standing(xfrm).size(), size_t{0});
  CHECK_EQUAL(sendTo(host(2, 8)), 0);
}

}  // namespace

TEST(
    "xfrm: a site's policies in the kernel: packets ask for an SA once for a network and once for a host, or are "
    "dropped") {
  test::inScratchNamespace(inKernel);
}

}  // namespace gatehouse::os
