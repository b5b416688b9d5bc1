// Netlink messages as octets: what the kernel's headers lay out, field by field, so that a changed attribute is seen here and not on somebody's board.
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <linux/xfrm.h>
#include <netinet/in.h>

#include <arpa/inet.h>

#include <vector>

#include "linux/netlink-socket.h"
#include "linux/nft-elements.h"
#include "linux/rtnetlink-messages.h"
#include "linux/xfrm-messages.h"
#include "test/test.h"

namespace gatehouse::os {
namespace {

using pipeline::Address;
using test::Octets;
using test::toHex;

Address address(uint8_t last) {
  const uint8_t octets[4] = {192, 0, 2, last};
  return Address::from(octets, 4);
}

/// A message as the kernel would find it: header apart, body and attributes.
struct Opened {
  explicit Opened(const Message& message)
      : octets(message.octets().begin(), message.octets().end()), header(valueOf<nlmsghdr>(octets)) {
    received = {header.nlmsg_type, std::span<const uint8_t>(octets).subspan(sizeof(nlmsghdr))};
  }
  Octets octets;
  nlmsghdr header;
  Received received;

  [[nodiscard]] std::string attribute(size_t head, uint16_t type) const {
    const auto found = received.attribute(head, type);
    return toHex(found.data(), found.size());
  }
};

std::string show(const Octets& octets) { return toHex(octets.data(), octets.size()); }

const Octets cipherKey = test::fromHex("000102030405060708090a0b0c0d0e0f");
const Octets integrityKey = test::fromHex("a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3");

xfrm::Sa sa(xfrm::Direction direction, bool esn = false) {
  xfrm::Sa made;
  made.direction = direction;
  made.spi = 0x01020304;
  made.path = {{address(1), 4500}, {address(2), 40000}};
  made.encapsulated = true;
  made.transform = *crypto::transformFromNames("aes128", "sha1", esn);
  made.cipherKey = cipherKey;
  made.integrityKey = integrityKey;
  made.replayWindow = 100;
  made.mark = made.reqid = 0x67000009;
  return made;
}

constexpr size_t saHead = sizeof(xfrm_usersa_info);

std::string named(const char* name, const std::string& rest) {
  Octets field(64);
  std::copy(name, name + std::strlen(name), field.begin());
  return show(field) + rest;
}

}  // namespace

TEST("netlink: attributes are padded to four octets, nested ones carry their flag, and the header has the length") {
  Message message(18, NLM_F_REQUEST);
  message.put(uint32_t{0x11223344}).attribute(7, uint8_t{0xAB}).nest(8, [](Message& in) { in.text(9, "ab"); });
  CHECK_EQUAL(show(Octets(message.octets().begin(), message.octets().end())),
              "2800000012000100"
              "0000000000000000"
              "44332211"
              "05000700ab000000"
              "0c000880"
              "0700090061620000");
}

TEST("netlink: an attribute that claims more than there is ends the list") {
  const Octets broken = test::fromHex(
      "05000100ff000000"
      "ff000200");
  int seen = 0;
  eachAttribute(broken, [&](uint16_t, std::span<const uint8_t>) { seen += 1; });
  CHECK_EQUAL(seen, 1);
}

TEST("xfrm: an inbound SA marks what comes out, takes UDP only, and tells of its first packet") {
  const Opened opened(xfrm::addSa(sa(xfrm::Direction::in)));
  const auto info = opened.received.head<xfrm_usersa_info>();
  CHECK_EQUAL(opened.header.nlmsg_type, XFRM_MSG_NEWSA);
  CHECK_EQUAL(opened.header.nlmsg_flags, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL);
  CHECK_EQUAL(ntohl(info.id.spi), 0x01020304U);
  CHECK_EQUAL(ntohl(info.id.daddr.a4), 0xC0000201U);
  CHECK_EQUAL(ntohl(info.saddr.a4), 0xC0000202U);
  CHECK_EQUAL(static_cast<int>(info.sel.proto), static_cast<int>(IPPROTO_UDP));
  CHECK_EQUAL(static_cast<int>(info.mode), static_cast<int>(XFRM_MODE_TRANSPORT));
  CHECK_EQUAL(opened.attribute(saHead, XFRMA_ALG_CRYPT), named("cbc(aes)", "80000000" + show(cipherKey)));
  CHECK_EQUAL(opened.attribute(saHead, XFRMA_ALG_AUTH_TRUNC), named("hmac(sha1)",
                                                                    "a0000000"
                                                                    "60000000" +
                                                                        show(integrityKey)));
  // UDP_ENCAP_ESPINUDP, from the peer's port to ours.
  CHECK_EQUAL(opened.attribute(saHead, XFRMA_ENCAP).substr(0, 12), "02009c401194");
  CHECK_EQUAL(opened.attribute(saHead, XFRMA_SET_MARK), "09000067");
  CHECK_EQUAL(opened.attribute(saHead, XFRMA_SET_MARK_MASK), "ffffffff");
  CHECK_EQUAL(opened.attribute(saHead, XFRMA_MARK), "");
  CHECK_EQUAL(opened.attribute(saHead, XFRMA_REPLAY_THRESH), "01000000");
  // 100 packets need four words of 32 bits.
  CHECK_EQUAL(opened.attribute(saHead, XFRMA_REPLAY_ESN_VAL),
              "04000000"
              "00000000"
              "00000000"
              "00000000"
              "00000000"
              "64000000" +
                  std::string(32, '0'));
}

TEST("xfrm: an outbound SA is found by the peer's mark, ends it, and asks for a successor at three quarters") {
  auto given = sa(xfrm::Direction::out);
  given.sequence = 5000;
  const Opened opened(xfrm::addSa(given));
  const auto info = opened.received.head<xfrm_usersa_info>();
  CHECK_EQUAL(ntohl(info.id.daddr.a4), 0xC0000202U);
  CHECK_EQUAL(static_cast<int>(info.sel.proto), 0);
  CHECK_EQUAL(info.lft.soft_packet_limit, (uint64_t{3} << 30) - 5000);
  CHECK_EQUAL(opened.attribute(saHead, XFRMA_MARK), "09000067ffffffff");
  CHECK_EQUAL(opened.attribute(saHead, XFRMA_SET_MARK), "00000000");
  CHECK_EQUAL(opened.attribute(saHead, XFRMA_ENCAP).substr(0, 12), "020011949c40");
  CHECK_EQUAL(opened.attribute(saHead, XFRMA_REPLAY_ESN_VAL).substr(8, 8), "88130000");
}

TEST("xfrm: extended sequence numbers carry their high half and their flag; the window may have 4096 packets") {
  auto given = sa(xfrm::Direction::out, true);
  given.sequence = (uint64_t{7} << 32) + 9;
  const Opened out(xfrm::addSa(given));
  CHECK_EQUAL(static_cast<int>(out.received.head<xfrm_usersa_info>().flags), static_cast<int>(XFRM_STATE_ESN));
  CHECK_EQUAL(out.attribute(saHead, XFRMA_REPLAY_ESN_VAL).substr(8, 24),
              "09000000"
              "00000000"
              "07000000");
  auto window = sa(xfrm::Direction::in, true);
  window.replayWindow = 4096;
  const Opened in(xfrm::addSa(window));
  CHECK_EQUAL(in.attribute(saHead, XFRMA_REPLAY_ESN_VAL).substr(0, 8), "80000000");
  CHECK_EQUAL(in.attribute(saHead, XFRMA_REPLAY_ESN_VAL).size(), (24 + 512) * size_t{2});
}

TEST("xfrm: every transform goes by the kernel's names") {
  const auto both = [](const char* cipher, const char* hash) {
    const auto transform = *crypto::transformFromNames(cipher, hash, false);
    return xfrm::cipherName(transform) + " " + xfrm::integrityName(transform);
  };
  CHECK_EQUAL(both("3des", "md5"), "cbc(des3_ede) hmac(md5)");
  CHECK_EQUAL(both("des", "sha384"), "cbc(des) hmac(sha384)");
  CHECK_EQUAL(both("null", "sha512"), "ecb(cipher_null) hmac(sha512)");
  CHECK_EQUAL(both("aes256", "sha256"), "cbc(aes) hmac(sha256)");
  CHECK_EQUAL(both("aes256gcm16", ""), "rfc4106(gcm(aes)) ");
}

TEST("xfrm: SHA2-256 cut to 96 bits, and GCM as one algorithm with its salt") {
  auto given = sa(xfrm::Direction::in);
  given.transform = *crypto::transformFromNames("aes128", "sha256_96", false);
  const Octets key(32, 0x5A);
  given.integrityKey = key;
  const Opened cut(xfrm::addSa(given));
  CHECK_EQUAL(cut.attribute(saHead, XFRMA_ALG_AUTH_TRUNC), named("hmac(sha256)",
                                                                 "00010000"
                                                                 "60000000" +
                                                                     show(key)));
  given.transform = *crypto::transformFromNames("aes128gcm16", "", false);
  const Octets salted(20, 0x3C);
  given.cipherKey = salted;
  given.integrityKey = {};
  const Opened aead(xfrm::addSa(given));
  CHECK_EQUAL(aead.attribute(saHead, XFRMA_ALG_AEAD), named("rfc4106(gcm(aes))",
                                                            "a0000000"
                                                            "80000000" +
                                                                show(salted)));
  CHECK_EQUAL(aead.attribute(saHead, XFRMA_ALG_CRYPT), "");
}

TEST("xfrm: offload names the device and the direction, for the cipher or for whole packets") {
  auto given = sa(xfrm::Direction::in);
  given.offloadDevice = 3;
  CHECK_EQUAL(Opened(xfrm::addSa(given)).attribute(saHead, XFRMA_OFFLOAD_DEV), "0300000002000000");
  given.direction = xfrm::Direction::out;
  given.offloadPacket = true;
  CHECK_EQUAL(Opened(xfrm::addSa(given)).attribute(saHead, XFRMA_OFFLOAD_DEV), "0300000004000000");
}

TEST("xfrm: a policy points at one SA by its SPI, or drops") {
  const Opened opened(xfrm::setPolicy(address(1), address(2), 0x67000009, 0x67000009, 0x01020304));
  const auto info = opened.received.head<xfrm_userpolicy_info>();
  CHECK_EQUAL(opened.header.nlmsg_type, XFRM_MSG_UPDPOLICY);
  CHECK_EQUAL(static_cast<int>(info.dir), static_cast<int>(XFRM_POLICY_OUT));
  CHECK_EQUAL(static_cast<int>(info.action), XFRM_POLICY_ALLOW);
  CHECK_EQUAL(static_cast<int>(info.sel.prefixlen_d), 32);
  const auto wanted = valueOf<xfrm_user_tmpl>(opened.received.attribute(sizeof(xfrm_userpolicy_info), XFRMA_TMPL));
  CHECK_EQUAL(ntohl(wanted.id.spi), 0x01020304U);
  CHECK_EQUAL(wanted.reqid, 0x67000009U);
  CHECK_EQUAL(opened.attribute(sizeof(xfrm_userpolicy_info), XFRMA_MARK), "09000067ffffffff");
  const Opened dropping(xfrm::setPolicy(address(1), address(2), 0x67000009, 0x67000009, 0));
  CHECK_EQUAL(static_cast<int>(dropping.received.head<xfrm_userpolicy_info>().action), XFRM_POLICY_BLOCK);
  CHECK_EQUAL(dropping.attribute(sizeof(xfrm_userpolicy_info), XFRMA_TMPL), "");
}

TEST("xfrm: an SA reads back as it was written: direction, mark, number, keys") {
  for (const auto direction : {xfrm::Direction::in, xfrm::Direction::out}) {
    auto given = sa(direction, true);
    given.sequence = (uint64_t{1} << 32) + 2;
    const Opened opened(xfrm::addSa(given));
    const auto kept = xfrm::readSa(opened.received);
    CHECK(kept.has_value());
    if (!kept) return;
    CHECK(kept->direction == direction);
    CHECK_EQUAL(kept->spi, 0x01020304U);
    CHECK_EQUAL(kept->reqid, 0x67000009U);
    CHECK_EQUAL(kept->key, direction == xfrm::Direction::in ? 0U : 0x67000009U);
    CHECK_EQUAL(kept->sequence, given.sequence);
    CHECK(kept->destination == (direction == xfrm::Direction::in ? address(1) : address(2)));
    const auto [cipher, integrity] = xfrm::readKeys(opened.received);
    CHECK_EQUAL(toHex(cipher.data(), cipher.size()), show(cipherKey));
    CHECK_EQUAL(toHex(integrity.data(), integrity.size()), show(integrityKey));
  }
}

TEST("xfrm: news: the first packet, a move, a limit; our own change of a threshold is none") {
  xfrm_aevent_id id{};
  id.sa_id.spi = htonl(77);
  id.sa_id.family = AF_INET;
  id.reqid = 0x67000009;
  id.flags = XFRM_AE_CR;
  const auto used = xfrm::readUsed({XFRM_MSG_NEWAE, octetsOf(id)});
  CHECK(used && used->spi == 77 && used->reqid == 0x67000009);
  id.flags = XFRM_AE_CU;
  CHECK(!xfrm::readUsed({XFRM_MSG_NEWAE, octetsOf(id)}));
  xfrm_user_mapping mapping{};
  mapping.id.spi = htonl(78);
  mapping.id.family = AF_INET;
  mapping.new_saddr.a4 = htonl(0xC0000203);
  mapping.new_sport = htons(6000);
  const auto moved = xfrm::readMapping({XFRM_MSG_MAPPING, octetsOf(mapping)});
  CHECK(moved && moved->spi == 78 && moved->remote == (pipeline::Endpoint{address(3), 6000}));
  xfrm_user_expire expire{};
  expire.state.id.spi = htonl(79);
  expire.state.family = AF_INET;
  const auto expired = xfrm::readExpired({XFRM_MSG_EXPIRE, octetsOf(expire)});
  CHECK(expired && expired->spi == 79);
  // Cut short: nothing is believed.
  CHECK(!xfrm::readMapping({XFRM_MSG_MAPPING, octetsOf(mapping).first(20)}));
  CHECK(!xfrm::readSa({XFRM_MSG_NEWSA, octetsOf(expire).first(40)}));
}

namespace {

xfrm::SitePolicy sitePolicy(xfrm::SitePolicy::Way way, xfrm::SitePolicy::Action action) {
  const uint8_t ours[4] = {10, 1, 0, 0};
  const uint8_t theirs[4] = {10, 2, 0, 0};
  xfrm::SitePolicy policy;
  policy.selector = {{Address::from(ours, 4), 16}, {Address::from(theirs, 4), 24}, 0, 0, 0};
  policy.way = way;
  policy.action = action;
  return policy;
}

constexpr size_t policyHead = sizeof(xfrm_userpolicy_info);

xfrm_user_tmpl templateOf(const Opened& opened) {
  return valueOf<xfrm_user_tmpl>(opened.received.attribute(policyHead, XFRMA_TMPL));
}

}  // namespace

TEST("xfrm: a site's SA is in tunnel mode for what was agreed, by no mark; what comes out has the sites' mark") {
  auto given = sa(xfrm::Direction::in);
  given.selector = sitePolicy({}, {}).selector;
  given.tunnelMode = true;
  given.mark = 0x69000000;
  const Opened in(xfrm::addSa(given));
  const auto info = in.received.head<xfrm_usersa_info>();
  CHECK_EQUAL(static_cast<int>(info.mode), XFRM_MODE_TUNNEL);
  // From them to us.
  CHECK_EQUAL(ntohl(info.sel.saddr.a4), 0x0A020000U);
  CHECK_EQUAL(static_cast<int>(info.sel.prefixlen_s), 24);
  CHECK_EQUAL(ntohl(info.sel.daddr.a4), 0x0A010000U);
  CHECK_EQUAL(static_cast<int>(info.sel.prefixlen_d), 16);
  CHECK_EQUAL(static_cast<int>(info.sel.proto), 0);
  CHECK_EQUAL(static_cast<int>(info.sel.family), AF_INET);
  CHECK_EQUAL(in.attribute(saHead, XFRMA_SET_MARK), "00000069");
  given.direction = xfrm::Direction::out;
  const Opened out(xfrm::addSa(given));
  CHECK_EQUAL(ntohl(out.received.head<xfrm_usersa_info>().sel.saddr.a4), 0x0A010000U);
  CHECK_EQUAL(out.attribute(saHead, XFRMA_MARK), "");
  CHECK_EQUAL(out.attribute(saHead, XFRMA_SET_MARK), "00000000");
  // Both are known again as the peer's.
  for (const Opened* opened : {&in, &out}) {
    const auto kept = xfrm::readSa(opened->received);
    CHECK(kept && kept->reqid == 0x67000009 && kept->key == 0);
    CHECK(kept && kept->direction == (opened == &in ? xfrm::Direction::in : xfrm::Direction::out));
  }
}

TEST("xfrm: a site's packets leave by the SA that its policy names, wait for one, or are dropped") {
  using Way = xfrm::SitePolicy::Way;
  using Action = xfrm::SitePolicy::Action;
  auto policy = sitePolicy(Way::out, Action::protect);
  policy.local = address(1);
  policy.remote = address(2);
  policy.spi = 0x01020304;
  policy.reqid = 0x67000009;
  const Opened opened(xfrm::setSitePolicy(policy));
  const auto info = opened.received.head<xfrm_userpolicy_info>();
  CHECK_EQUAL(opened.header.nlmsg_type, XFRM_MSG_UPDPOLICY);
  CHECK_EQUAL(static_cast<int>(info.dir), XFRM_POLICY_OUT);
  CHECK_EQUAL(ntohl(info.sel.saddr.a4), 0x0A010000U);
  CHECK_EQUAL(ntohl(info.sel.daddr.a4), 0x0A020000U);
  CHECK_EQUAL(ntohl(templateOf(opened).id.daddr.a4), 0xC0000202U);
  CHECK_EQUAL(ntohl(templateOf(opened).saddr.a4), 0xC0000201U);
  CHECK_EQUAL(ntohl(templateOf(opened).id.spi), 0x01020304U);
  CHECK_EQUAL(templateOf(opened).reqid, 0x67000009U);
  CHECK_EQUAL(static_cast<int>(templateOf(opened).mode), XFRM_MODE_TUNNEL);
  CHECK_EQUAL(opened.attribute(policyHead, XFRMA_MARK), "");

  auto asking = sitePolicy(Way::out, Action::ask);
  asking.reqid = 0x69000101;
  // For a site one SA that never comes, between nobody and nobody; for hosts one between themselves.
  CHECK_EQUAL(ntohl(templateOf(Opened(xfrm::setSitePolicy(asking))).id.daddr.a4), 0xC0000008U);
  CHECK_EQUAL(templateOf(Opened(xfrm::setSitePolicy(asking))).reqid, 0x69000101U);
  asking.transport = true;
  CHECK_EQUAL(ntohl(templateOf(Opened(xfrm::setSitePolicy(asking))).id.daddr.a4), 0U);
  CHECK_EQUAL(static_cast<int>(templateOf(Opened(xfrm::setSitePolicy(asking))).mode), XFRM_MODE_TRANSPORT);

  const Opened dropping(xfrm::setSitePolicy(sitePolicy(Way::out, Action::block)));
  CHECK_EQUAL(static_cast<int>(dropping.received.head<xfrm_userpolicy_info>().action), XFRM_POLICY_BLOCK);
  CHECK_EQUAL(dropping.attribute(policyHead, XFRMA_TMPL), "");
}

TEST(
    "xfrm: what comes from a site must have come out of an SA in tunnel mode, whichever; the more exact policy is "
    "asked first") {
  using Way = xfrm::SitePolicy::Way;
  using Action = xfrm::SitePolicy::Action;
  const Opened opened(xfrm::setSitePolicy(sitePolicy(Way::forward, Action::protect)));
  const auto info = opened.received.head<xfrm_userpolicy_info>();
  CHECK_EQUAL(static_cast<int>(info.dir), XFRM_POLICY_FWD);
  CHECK_EQUAL(ntohl(info.sel.saddr.a4), 0x0A020000U);
  CHECK_EQUAL(templateOf(opened).id.spi, 0U);
  CHECK_EQUAL(templateOf(opened).reqid, 0U);
  CHECK_EQUAL(static_cast<int>(templateOf(opened).mode), XFRM_MODE_TUNNEL);
  auto narrower = sitePolicy(Way::out, Action::block);
  narrower.selector.local.prefix = 17;
  auto wider = sitePolicy(Way::out, Action::block);
  const auto priorityOf = [](const xfrm::SitePolicy& policy) {
    return Opened(xfrm::setSitePolicy(policy)).received.head<xfrm_userpolicy_info>().priority;
  };
  CHECK(priorityOf(narrower) < priorityOf(wider));
  // What must pass, passes before all.
  auto passing = sitePolicy(Way::out, Action::pass);
  passing.selector.local.prefix = passing.selector.remote.prefix = 0;
  CHECK(priorityOf(passing) < priorityOf(narrower));
}

TEST("xfrm: a site's policy reads back with its way, its selector and the SA; nobody else's is taken for one") {
  auto policy = sitePolicy(xfrm::SitePolicy::Way::out, xfrm::SitePolicy::Action::protect);
  policy.selector.protocol = IPPROTO_TCP;
  policy.selector.remotePort = 445;
  policy.spi = 77;
  // The kernel says NEWPOLICY when it is asked.
  const auto readBack = [](const Message& message) {
    Opened opened(message);
    opened.received.type = XFRM_MSG_NEWPOLICY;
    return xfrm::readSitePolicy(opened.received);
  };
  for (const auto way : {xfrm::SitePolicy::Way::out, xfrm::SitePolicy::Way::in, xfrm::SitePolicy::Way::forward}) {
    policy.way = way;
    const auto kept = readBack(xfrm::setSitePolicy(policy));
    CHECK(kept && kept->way == way && kept->selector == policy.selector);
    CHECK(kept && kept->spi == (way == xfrm::SitePolicy::Way::out ? 77U : 0U));
  }
  CHECK(!readBack(xfrm::setPolicy(address(1), address(2), 0x67000009, 0x67000009, 1)));
}

TEST("xfrm: what a packet asks for; of ICMP there are no ports") {
  xfrm_user_acquire wanted{};
  wanted.sel.family = AF_INET;
  wanted.sel.saddr.a4 = htonl(0x0A010005);
  wanted.sel.daddr.a4 = htonl(0x0A020007);
  wanted.sel.sport = htons(8);
  wanted.sel.dport = htons(99);
  wanted.sel.proto = IPPROTO_UDP;
  const auto udp = xfrm::readAcquire({XFRM_MSG_ACQUIRE, octetsOf(wanted)});
  CHECK(udp && udp->protocol == IPPROTO_UDP && udp->source.port == 8 && udp->destination.port == 99);
  wanted.sel.proto = IPPROTO_ICMP;
  const auto icmp = xfrm::readAcquire({XFRM_MSG_ACQUIRE, octetsOf(wanted)});
  const uint8_t expected[4] = {10, 2, 0, 7};
  CHECK(icmp && icmp->source.port == 0 && icmp->destination == (pipeline::Endpoint{Address::from(expected, 4), 0}));
  CHECK(!xfrm::readAcquire({XFRM_MSG_ACQUIRE, octetsOf(wanted).first(30)}));
}

TEST("rtnetlink: a point-to-point address, a route, a link") {
  const Opened addressed(rtnetlink::addAddress(7, address(1), address(9)));
  CHECK_EQUAL(addressed.header.nlmsg_type, RTM_NEWADDR);
  CHECK_EQUAL(toHex(addressed.received.body.data(), 8), "0220000007000000");
  CHECK_EQUAL(addressed.attribute(sizeof(ifaddrmsg), IFA_LOCAL), "c0000201");
  CHECK_EQUAL(addressed.attribute(sizeof(ifaddrmsg), IFA_ADDRESS), "c0000209");
  const Opened routed(rtnetlink::addRoute(7, {address(0), 24}));
  CHECK_EQUAL(routed.header.nlmsg_type, RTM_NEWROUTE);
  CHECK_EQUAL(toHex(routed.received.body.data(), 8), "02180000fe04fd01");
  CHECK_EQUAL(routed.attribute(sizeof(rtmsg), RTA_DST), "c0000200");
  CHECK_EQUAL(routed.attribute(sizeof(rtmsg), RTA_OIF), "07000000");
  const Opened link(rtnetlink::setLink(7, "ghp3", 1380));
  CHECK_EQUAL(link.header.nlmsg_type, RTM_NEWLINK);
  CHECK_EQUAL(toHex(link.received.body.data(), 16),
              "00000000"
              "07000000"
              "01000000"
              "01000000");
  CHECK_EQUAL(link.attribute(16, IFLA_IFNAME), "6768703300");
  CHECK_EQUAL(link.attribute(16, IFLA_MTU), "64050000");
}

TEST("nft: an element of a map whose key has two fields; one of an interval of two") {
  const nft::Element tunnel{"numbers", nft::Key().mark(0x67000009).port(10).done(), {}, nft::Key().port(3).done()};
  const Opened opened(nft::addElement("t", tunnel));
  CHECK_EQUAL(opened.header.nlmsg_type, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWSETELEM);
  CHECK_EQUAL(show(opened.octets).substr(32),
              "01000000"
              "06000100"
              "74000000"
              "0c000200"
              "6e756d6265727300"
              "24000380"
              "20000180"
              "10000180"
              "0c000100"
              "09000067000a0000"
              "0c000280"
              "06000100"
              "00030000");
  const nft::Element source{"s",
                            nft::Key().interface("ghp0").octets({address(0).octets.data(), 4}).done(),
                            nft::Key().interface("ghp0").octets({address(255).octets.data(), 4}).done(),
                            {}};
  const Opened interval(nft::addElement("t", source));
  CHECK(show(interval.octets).find("67687030000000000000000000000000c0000200") != std::string::npos);
  CHECK(show(interval.octets).find("67687030000000000000000000000000c00002ff") != std::string::npos);
  // A key says which element goes; its value isn't asked.
  const Opened removed(nft::removeElement("t", tunnel));
  CHECK_EQUAL(removed.header.nlmsg_type, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELSETELEM);
  CHECK(show(removed.octets).find("0c000280") == std::string::npos);
}

TEST("nft: a port alone is two octets, beside others four") {
  CHECK_EQUAL(show(nft::Key().port(1701).done()), "06a5");
  CHECK_EQUAL(show(nft::Key().mark(1).port(1701).done()), "0100000006a50000");
}

}  // namespace gatehouse::os
