// One data plane against a plain socket, octet by octet: what it sends, and what it makes of whatever a peer may put into an SA. NULL encryption, so that
// the test can write and read the packets. Needs root and /dev/net/tun, and says so where they are missing.
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "esp/worker.h"
#include "pipeline/data-plane.h"
#include "pipeline/messages.h"
#include "test/pipeline/packets.h"

namespace gatehouse::test {
namespace {

using namespace pipeline;

const Octets integrityKey = sequenceOf(20, 5);

/// The far end: a socket and SAs with which it seals and opens.
class Wire {
 public:
  Wire()
      : engine_(crypto::makeEngine("openssl")),
        worker_(*engine_),
        table_(epochs_),
        reader_(epochs_),
        socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_addr.s_addr = htonl(loopback(2));
    CHECK_EQUAL(bind(socket_.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name), 0);
    socklen_t length = sizeof name;
    getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&name), &length);
    port = ntohs(name.sin_port);
    DataPlaneOptions options;
    options.ikePort = options.nattPort = 0;
    options.workers = 1;
    options.listen = {Address::from(loopbackOctets(1).data(), 4)};
    options.tun.name = "ghw" + std::to_string(getpid() % 100000);
    plane = std::make_unique<DataPlane>(options, [] {});
  }

  /// A peer with a pair: our SPI `spi` at the data plane, `spi` + 1 here; NAT-OA 198.51.100.1 and 192.168.0.2 where asked for; a session with these ids.
  void addPeer(uint32_t peer, uint32_t spi, bool natOa, bool compressed) {
    List list;
    list.u8(1).u32(peer);
    list.u8(3)
        .u32(peer)
        .u8(4)
        .u32(loopback(1))
        .u16(plane->nattPort())
        .u8(4)
        .u32(loopback(2))
        .u16(port)
        .u8(1)
        .u8(1)
        .u16(64)
        .u8(natOa);
    if (natOa) list.u8(4).u32(0xC6336401).u8(4).u32(0xC0A80002);
    list.u8(0);
    list.sas(spi);
    list.u8(7)
        .u32(peer)
        .u32(peer)
        .u16(0x0A00 + peer)
        .u16(0x0B00 + peer)
        .u16(1701)
        .u16(0x0C00 + peer)
        .u16(0x0D00 + peer)
        .u16(51000)
        .u8(0);
    list.u8(8).u32(peer).u8(compressed).u8(compressed).u8(0).u16(1400).u8(4).u32(0x0A000000 + peer).u16(0).u8(0);
    CHECK(!plane->apply(list.octets));
    keepSas(peer, spi);
  }

  /// A peer with a pair in tunnel mode between 10.1.0.0/24 at the data plane and 10.2.0.0/24 here.
  void addTunnel(uint32_t peer, uint32_t spi) {
    List list;
    list.u8(1).u32(peer);
    list.u8(10).u32(1).u8(0).u16(1).selector();
    list.u8(3).u32(peer).u8(4).u32(loopback(1)).u16(plane->nattPort()).u8(4).u32(loopback(2)).u16(port);
    list.u8(1).u8(1).u16(64).u8(0).u8(1).u32(1).selector().sas(spi);
    CHECK(!plane->apply(list.octets));
    keepSas(peer, spi);
  }

  /// Puts a payload into the peer's SA, as it is.
  void send(uint32_t peer, const Octets& payload, uint8_t nextHeader = 17) {
    Octets octets(64 + payload.size() + 64);
    std::copy(payload.begin(), payload.end(), octets.begin() + 64);
    esp::OutboundPacket packet{.sa = outbound_[peer].get(),
                               .payload = &octets[64],
                               .length = static_cast<uint32_t>(payload.size()),
                               .nextHeader = nextHeader};
    worker_.seal({&packet, 1});
    sendRaw({packet.esp, packet.esp + packet.espLength});
  }

  void sendRaw(const Octets& datagram) {
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_port = htons(plane->nattPort());
    name.sin_addr.s_addr = htonl(loopback(1));
    CHECK(sendto(socket_.get(), datagram.data(), datagram.size(), 0, reinterpret_cast<const sockaddr*>(&name),
                 sizeof name) >= 0);
  }

  /// The next datagram that the data plane sends; empty if none comes.
  Octets receiveRaw(int patience = 2000) {
    pollfd waiting{socket_.get(), POLLIN, 0};
    if (poll(&waiting, 1, patience) <= 0) return {};
    Octets octets(65536);
    octets.resize(static_cast<size_t>(recv(socket_.get(), octets.data(), octets.size(), 0)));
    return octets;
  }

  /// The payload of the next ESP packet that the data plane sends; empty if none comes.
  Octets receive() {
    Octets octets = receiveRaw();
    if (octets.empty()) return {};
    esp::InboundPacket packet{.esp = octets.data(), .length = static_cast<uint32_t>(octets.size())};
    const esp::EpochDomain::Guard guard(reader_);
    worker_.open(table_, {&packet, 1});
    CHECK(packet.result == esp::OpenResult::ok);
    CHECK_EQUAL(packet.nextHeader, 17);
    return {packet.payload, packet.payload + packet.payloadLength};
  }

  /// What one drain gives, as hex without lengths.
  std::vector<std::string> taken() {
    std::vector<std::string> all;
    Octets to(262144);
    bool more = false;
    const size_t length = plane->drain(to, more);
    for (size_t at = 0; at < length; at += 4 + load32(&to[at])) all.push_back(toHex(&to[at + 4], load32(&to[at])));
    return all;
  }

  /// Events since the last call. Waits until there is one, or until the counter has this value.
  std::vector<std::string> events(std::string_view counter = {}, uint64_t value = 1) {
    std::vector<std::string> all;
    for (int i = 0; i < 400 && all.empty() && (counter.empty() || count(counter) < value); i++) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      all = taken();
    }
    if (all.empty()) return all;
    // What belongs to the first one may be a moment behind it.
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    const auto more = taken();
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }

  [[nodiscard]] uint64_t count(std::string_view name) const {
    for (const auto& [which, value] : plane->counters()) {
      if (which == name) return value;
    }
    CHECK(false);
    return 0;
  }

  [[nodiscard]] Path path() const {
    return {{Address::from(loopbackOctets(1).data(), 4), plane->nattPort()},
            {Address::from(loopbackOctets(2).data(), 4), port}};
  }

  std::unique_ptr<DataPlane> plane;
  uint16_t port = 0;

 private:
  struct List {
    List& u8(uint32_t value) {
      octets.push_back(static_cast<uint8_t>(value));
      return *this;
    }
    List& u16(uint32_t value) { return u8(value >> 8).u8(value); }
    List& u32(uint32_t value) { return u16(value >> 16).u16(value); }
    List& put(const Octets& more) {
      octets.insert(octets.end(), more.begin(), more.end());
      return *this;
    }
    List& shortText(const std::string& text) {
      return u8(static_cast<uint32_t>(text.size())).put(Octets(text.begin(), text.end()));
    }
    List& sas(uint32_t spi) {
      for (const uint32_t one : {spi, spi + 1})
        u32(one).shortText("null").shortText("sha1").u8(0).u8(0).u8(20).put(integrityKey);
      return *this;
    }
    List& selector() { return u8(4).u32(0x0A010000).u8(24).u8(4).u32(0x0A020000).u8(24).u8(0).u16(0).u16(0); }
    Octets octets;
  };

  void keepSas(uint32_t peer, uint32_t spi) {
    const auto transform = crypto::transformFromNames("null", "sha1", false);
    outbound_[peer] =
        std::make_unique<esp::OutboundSa>(spi, engine_->expand(*transform, crypto::Direction::seal, {}, integrityKey));
    auto inbound = std::make_unique<esp::InboundSa>(
        spi + 1, engine_->expand(*transform, crypto::Direction::open, {}, integrityKey));
    CHECK(table_.add(inbound));
  }

  std::unique_ptr<crypto::Engine> engine_;
  esp::Worker worker_;
  esp::EpochDomain epochs_;
  esp::SaTable table_;
  esp::EpochDomain::Reader reader_;
  std::array<std::unique_ptr<esp::OutboundSa>, 8> outbound_;
  os::File socket_;
};

bool possible() {
  if (geteuid() == 0 && access("/dev/net/tun", R_OK | W_OK) == 0) return true;
  skip("needs root and /dev/net/tun");
  return false;
}

/// UDP header without checksum in front of an L2TP message from port 51000 to 1701.
Octets udp(const std::string& hex, uint16_t extra = 0) {
  const Octets message = fromHex(hex);
  Octets octets(8 + message.size());
  store16(&octets[0], 51000);
  store16(&octets[2], 1701);
  store16(&octets[4], static_cast<uint16_t>(8 + message.size() + extra));
  std::copy(message.begin(), message.end(), octets.begin() + 8);
  return octets;
}

TEST("wire: who goes on with a negotiation is told before those who begin one, whatever came first") {
  Wire wire;
  // Behind the non-ESP marker: cookies of eight octets each, then one octet that tells the messages apart.
  const auto message = [](uint8_t responder, uint8_t mark) {
    Octets octets(4 + 28, 0);
    std::fill_n(octets.begin() + 4, 8, uint8_t{0xAA});
    std::fill_n(octets.begin() + 12, 8, responder);
    octets.back() = mark;
    return octets;
  };
  for (uint8_t mark = 1; mark <= 3; mark++) wire.sendRaw(message(0, mark));
  wire.sendRaw(message(0xBB, 4));
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  std::string marks;
  for (const std::string& event : wire.taken()) marks += event.back();
  CHECK_EQUAL(marks, "4123");
}

TEST(
    "wire: control messages go out with a checksum over the addresses that the peer sees (RFC 2661 §8.1, RFC 3947 "
    "§5.2)") {
  if (!possible()) return;
  for (const bool natOa : {false, true}) {
    Wire wire;
    wire.addPeer(1, 1000, natOa, true);
    wire.plane->sendControl(1, 1701, 51000, fromHex("c80200140000000000000000 8008000000000001"));
    wire.plane->flush();
    const Octets payload = wire.receive();
    CHECK_EQUAL(toHex(payload.data(), 6), std::string("06a5c738001c"));
    CHECK_EQUAL(toHex(&payload[8], payload.size() - 8), std::string("c802001400000000000000008008000000000001"));
    const Octets addresses =
        natOa ? fromHex("c6336401c0a80002") : fromHex(toHex(loopbackOctets(1)) + toHex(loopbackOctets(2)));
    CHECK_EQUAL(checksumFold(static_cast<uint64_t>(checksumPseudo(addresses.data(), &addresses[4], 4, 17, 28)) +
                             checksumSum(payload.data(), payload.size())),
                0xFFFF);
  }
}

TEST("wire: PPP frames go out without flags and without a checksum, LCP uncompressed, the rest as agreed") {
  if (!possible()) return;
  Wire wire;
  wire.addPeer(1, 1000, false, true);
  wire.plane->sendPpp(1, 0xC021, fromHex("09010008"));
  wire.plane->flush();
  CHECK_EQUAL(toHex(wire.receive()), std::string("06a5c73800160000"
                                                 "00020c010d01"
                                                 "ff03c021"
                                                 "09010008"));
  wire.plane->sendPpp(1, 0x8021, fromHex("01010004"));
  wire.plane->flush();
  CHECK_EQUAL(toHex(wire.receive()), std::string("06a5c73800140000"
                                                 "00020c010d01"
                                                 "8021"
                                                 "01010004"));
  wire.plane->sendPpp(1, 0x0021, fromHex("45"));
  wire.plane->flush();
  CHECK_EQUAL(toHex(wire.receive()), std::string("06a5c73800100000"
                                                 "00020c010d01"
                                                 "21"
                                                 "45"));
}

TEST("wire: messages wait for the flush, and those to one address leave in the order in which they were given") {
  if (!possible()) return;
  Wire wire;
  wire.addPeer(1, 1000, false, true);
  wire.plane->sendIke(wire.path(), fromHex("11"));
  wire.plane->sendPpp(1, 0xC021, fromHex("09010008"));
  wire.plane->sendPpp(1, 0xC021, fromHex("09020008"));
  wire.plane->sendIke(wire.path(), fromHex("22"));
  wire.plane->sendKeepalive(wire.path());
  wire.plane->sendControl(1, 1701, 51000, fromHex("c802000c0000000000000000"));
  wire.plane->flush();
  std::string order;
  for (int i = 0; i < 6; i++) {
    const Octets datagram = wire.receiveRaw();
    order += datagram.size() > 12 ? "esp " : toHex(datagram) + " ";
  }
  CHECK_EQUAL(order, std::string("0000000011 esp esp 0000000022 ff esp "));
  CHECK(wire.receiveRaw(0).empty());
}

TEST("wire: what was given before a change leaves before it, by the pairs that there were") {
  if (!possible()) return;
  Wire wire;
  wire.addPeer(1, 1000, false, true);
  wire.plane->sendPpp(1, 0xC021, fromHex("09010008"));
  CHECK(!wire.plane->apply(fromHex("0200000001")));
  CHECK_EQUAL(wire.receive().size(), size_t{22});
  wire.plane->sendPpp(1, 0xC021, fromHex("09010008"));
  wire.plane->flush();
  CHECK_EQUAL(wire.count("dropNoPair"), 1U);
}

TEST("wire: a batch of messages is given one after the other; a broken one is said so") {
  if (!possible()) return;
  Wire wire;
  wire.addPeer(1, 1000, false, true);
  CHECK(sendMessages(fromHex("04 00000001 c021 00000004 09010008"
                             "03 00000001 06a5 c738 0000000c c802000c0000000000000000"),
                     *wire.plane));
  CHECK_EQUAL(wire.receive().size(), size_t{22});
  CHECK_EQUAL(wire.receive().size(), size_t{20});
  for (const char* broken : {"05", "04 00000001 c021 00000005 09010008", "01 04 7f000001 01f4 06", "02 00"}) {
    about(broken);
    CHECK(!sendMessages(fromHex(broken), *wire.plane));
  }
  about("");
  CHECK(wire.receiveRaw(0).empty());
}

TEST("wire: the marker before IKE, the keepalive, and the answer from the port that was asked") {
  if (!possible()) return;
  Wire wire;
  wire.sendRaw(fromHex("ff"));
  wire.sendRaw(fromHex("fe"));
  wire.sendRaw({});
  const Octets message = sequenceOf(28, 1);
  wire.sendRaw(fromHex("00000000"));
  Octets marked(4 + message.size());
  std::copy(message.begin(), message.end(), marked.begin() + 4);
  wire.sendRaw(marked);
  const auto events = wire.events();
  CHECK_EQUAL(events.size(), size_t{1});
  CHECK_EQUAL(events[0].substr(events[0].size() - 56), toHex(message));
  CHECK_EQUAL(wire.count("keepaliveIn"), 1U);
  CHECK_EQUAL(wire.count("dropTooShort"), 2U);
}

TEST("wire: data of every form of header is the session's; whatever is broken is counted") {
  if (!possible()) return;
  Wire wire;
  wire.addPeer(1, 1000, false, false);
  const std::string lcp = "01010004";
  const auto frame = [&](const std::string& header, const std::string& ppp) {
    wire.send(1, udp(header + ppp + lcp));
    const auto events = wire.events("dropNotL2tp");
    return events.empty() ? std::string() : events.back();
  };
  const std::string seen = "0300000001c02101010004";
  CHECK_EQUAL(frame("00020a010b01", "ff03c021"), seen);
  CHECK_EQUAL(frame("00020a010b01", "c021"), seen);
  CHECK_EQUAL(frame("400200100a010b01", "ff03c021"), seen);
  CHECK_EQUAL(frame("08020a010b0100010000", "ff03c021"), seen);
  CHECK_EQUAL(frame("02020a010b010003aabbcc", "ff03c021"), seen);
  CHECK_EQUAL(frame("4b0200180a010b01000100000002aabb", "ff03c021"), seen);
  CHECK_EQUAL(frame("00030a010b01", "ff03c021"), std::string());
  wire.send(1, udp("00020a010b01ff03c021", 1));  // UDP length beyond the payload
  wire.send(1, fromHex("c73806a5"));
  wire.send(1, {});
  wire.send(1, udp("00020a010b01ff03c021"), 6);
  wire.events("dropNotL2tp", 5);
  CHECK_EQUAL(wire.count("dropNotL2tp"), 5U);
  wire.send(1, udp("00020a010b01ff03"));
  wire.send(1, udp("00020a010b01"));
  wire.send(1, udp("00020a010b010021"));
  wire.send(1, udp("00020a010b0100214500"));
  wire.events("dropInner", 4);
  CHECK_EQUAL(wire.count("dropInner"), 4U);
  // Padding behind the UDP datagram (RFC 4303 §2.7) is no part of it.
  Octets padded = udp("00020a010b01ff03c021" + lcp);
  padded.resize(padded.size() + 50, 0xEE);
  wire.send(1, padded);
  CHECK_EQUAL(wire.events().back(), seen);
}

TEST("wire: an inner UDP checksum that a NAT has spoilt is not looked at (RFC 3948 §3.1.2)") {
  if (!possible()) return;
  Wire wire;
  wire.addPeer(1, 1000, false, false);
  Octets spoilt = udp("00020a010b01ff03c02101010004");
  store16(&spoilt[6], 0xBAD1);
  wire.send(1, spoilt);
  CHECK_EQUAL(wire.events().back(), std::string("0300000001c02101010004"));
}

TEST("wire: out of a tunnel comes only what was agreed on, from its networks to ours (RFC 3948 §3.1.1)") {
  if (!possible()) return;
  Wire wire;
  wire.addTunnel(1, 1000);
  const auto send = [&](uint32_t source, uint32_t destination) {
    Octets packet = udpPacket(4, sequenceOf(4));
    store32(&packet[12], source);
    store32(&packet[16], destination);
    wire.send(1, packet, 4);
  };
  send(0x0A020007, 0x0A010005);
  send(0x0A030007, 0x0A010005);  // another's source
  send(0x0A020007, 0x0A040005);  // a destination that is not ours
  send(0x0A010005, 0x0A020007);  // the wrong way round
  send(0x0A020007, 0x0A010005);
  wire.events();  // the pair is used
  wire.events("dropSelector", 3);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  CHECK_EQUAL(wire.count("dropSelector"), 3U);
  CHECK_EQUAL(wire.count("dropInner"), 0U);
}

TEST("wire: a frame of 1,500 octets is taken whole, whatever MRU was asked for (RFC 1661 §6.1)") {
  if (!possible()) return;
  Wire wire;
  wire.addPeer(1, 1000, false, false);
  std::string echo = "090105dc";
  for (int i = 4; i < 1500; i++) echo += "ab";
  wire.send(1, udp("00020a010b01ff03c021" + echo));
  const auto events = wire.events();
  CHECK_EQUAL(events.empty() ? std::string() : events.back(), "0300000001c021" + echo);
}

TEST("wire: nothing of one peer reaches another's session, whatever ids it writes") {
  if (!possible()) return;
  Wire wire;
  wire.addPeer(1, 1000, false, false);
  wire.addPeer(2, 2000, false, false);
  wire.send(2, udp("00020a010b01ff03c02101010004"));
  const auto events = wire.events();
  CHECK_EQUAL(events.back(), std::string("05"
                                         "00000002"
                                         "0a01"
                                         "0b01"));
  // From its own session, but with the other's inner address.
  Octets packet = udpPacket(4, sequenceOf(4));
  store32(&packet[12], 0x0A000001);
  Octets frame = fromHex("00020a020b02ff030021");
  frame.insert(frame.end(), packet.begin(), packet.end());
  wire.send(2, udp(toHex(frame)));
  wire.events("dropSource");
  CHECK_EQUAL(wire.count("dropSource"), 1U);
  CHECK_EQUAL(wire.count("tunOut"), 0U);
}

TEST("wire: a peer that floods the main thread keeps nobody else from it") {
  if (!possible()) return;
  Wire wire;
  wire.addPeer(1, 1000, false, false);
  wire.addPeer(2, 2000, false, false);
  const auto arrived = [&](unsigned long packets) {
    for (int i = 0; i < 2000 && wire.count("espIn") < packets; i++)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
  };
  // Together more than the ring holds, down to its last octets, in less time than it takes to be allowed them all; nobody drains meanwhile.
  unsigned long sent = 0;
  const auto flood = [&](const char* head, size_t length, int times) {
    const Octets message = udp(head + std::string(2 * (length - 4), '0'));
    for (int i = 0; i < times; i++) {
      wire.send(1, message);
      arrived(++sent);
    }
  };
  flood("c802ea60", 60000, 20);
  flood("c8020578", 1400, 45);
  flood("c802000c", 12, 100);
  wire.send(2, udp("00020a020b02ff03c02101010004"));
  arrived(sent + 1);
  std::vector<std::string> all;
  for (size_t before = all.size() + 1; before != all.size();) {
    before = all.size();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    const auto some = wire.taken();
    all.insert(all.end(), some.begin(), some.end());
  }
  CHECK(std::count(all.begin(), all.end(), "0300000002c02101010004") == 1);
}

TEST("wire: a device that somebody deletes is noticed, and the rest goes on") {
  if (!possible()) return;
  Wire wire;
  wire.addPeer(1, 1000, false, false);
  CHECK_EQUAL(std::system(("ip link del ghw" + std::to_string(getpid() % 100000)).c_str()), 0);
  wire.events("tunGone");
  CHECK_EQUAL(wire.count("tunGone"), 1U);
  wire.send(1, udp("00020a010b01ff03c02101010004"));
  CHECK_EQUAL(wire.events().size(), size_t{2});
}

}  // namespace
}  // namespace gatehouse::test
