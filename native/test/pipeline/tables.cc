// Rings, the tables that workers read, and lists of changes that are made whole or not at all.
#include <algorithm>
#include <atomic>
#include <thread>

#include "pipeline/control.h"
#include "pipeline/rate-limit.h"
#include "pipeline/ring.h"
#include "test/pipeline/packets.h"

namespace gatehouse::test {
namespace {

using namespace pipeline;

TEST("allowance: so many in each window, whoever asks") {
  Allowance allowance(3, 100);
  const auto taken = [&](uint64_t now) {
    int count = 0;
    for (int i = 0; i < 10; i++) count += allowance.take(now) ? 1 : 0;
    return count;
  };
  CHECK_EQUAL(taken(0), 3);
  CHECK_EQUAL(taken(99), 0);
  CHECK_EQUAL(taken(100), 3);
  CHECK_EQUAL(taken(100000000000), 3);
  Allowance shared(1000, 100);
  std::atomic<int> count{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; t++)
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; i++) count += shared.take(7) ? 1 : 0;
    });
  for (auto& thread : threads) thread.join();
  CHECK_EQUAL(count.load(), 1000);
}

TEST("ring: records come out as they went in, over the end of the ring too") {
  Ring ring(256);
  Octets to(1024);
  for (uint8_t i = 0; i < 100; i++) {
    const Octets head = sequenceOf(i % 5, i);
    const Octets body = sequenceOf(i % 60, i);
    CHECK(ring.push(head, body));
    const size_t taken = ring.take(to);
    CHECK_EQUAL(taken, 4 + head.size() + body.size());
    CHECK_EQUAL(load32(to.data()), head.size() + body.size());
    CHECK(std::equal(body.begin(), body.end(), to.begin() + 4 + static_cast<std::ptrdiff_t>(head.size())));
  }
  CHECK(ring.empty());
}

TEST("ring: a full one takes nothing more until it is emptied, and a small reader gets whole records") {
  Ring ring(256);
  const Octets body(20);
  size_t pushed = 0;
  while (ring.push(body, {})) pushed += 1;
  CHECK_EQUAL(pushed, size_t{10});
  Octets to(50);
  CHECK_EQUAL(ring.take(to), size_t{48});
  CHECK(ring.push(body, {}));
  CHECK_EQUAL(ring.take(std::span(to).first(23)), size_t{0});
}

TEST("ring: one thread writes, one reads") {
  Ring ring(4096);
  std::thread writer([&] {
    for (uint32_t i = 0; i < 20000;) {
      uint8_t octets[64];
      store32(octets, i);
      if (ring.push({octets, 4 + i % 50}, {})) i += 1;
    }
  });
  Octets to(1000);
  uint32_t next = 0;
  while (next < 20000) {
    const size_t length = ring.take(to);
    for (size_t at = 0; at < length; at += 4 + load32(&to[at])) {
      if (load32(&to[at + 4]) != next || load32(&to[at]) != 4 + next % 50) CHECK_EQUAL(load32(&to[at + 4]), next);
      next += 1;
    }
  }
  writer.join();
}

struct NumberHash {
  size_t operator()(int value) const { return static_cast<size_t>(value) * 7; }
};

TEST("shared map: found while it grows and shrinks under readers") {
  esp::EpochDomain domain;
  std::vector<int> values(2000);
  for (int i = 0; i < 2000; i++) values[static_cast<size_t>(i)] = i;
  SharedMap<int, int, NumberHash> map(domain);
  CHECK(map.insert(-1, values.data()));
  std::atomic<bool> stop{false};
  std::thread reader([&] {
    esp::EpochDomain::Reader place(domain);
    while (!stop) {
      const esp::EpochDomain::Guard guard(place);
      if (map.find(-1) != values.data()) CHECK(false);
      for (int i = 0; i < 2000; i += 37) {
        const int* found = map.find(i);
        if (found != nullptr && *found != i) CHECK_EQUAL(*found, i);
      }
    }
  });
  for (int round = 0; round < 5; round++) {
    for (int i = 0; i < 2000; i++) CHECK(map.insert(i, &values[static_cast<size_t>(i)]));
    CHECK(!map.insert(5, values.data()));
    CHECK_EQUAL(map.size(), size_t{2001});
    for (int i = 0; i < 2000; i++) CHECK(map.erase(i));
    CHECK(!map.erase(5));
    domain.collect();
  }
  stop = true;
  reader.join();
}

Address v4(uint32_t value) {
  uint8_t octets[4];
  store32(octets, value);
  return Address::from(octets, 4);
}

TEST("router: hosts before networks, long prefixes before short ones, then who takes the rest") {
  esp::EpochDomain domain;
  Router router(domain);
  Peer peer(1);
  Session host(1, peer, {}, {}, false);
  Session net(2, peer, {}, {}, false);
  Session wide(3, peer, {}, {}, false);
  Session rest(4, peer, {}, {}, false);
  SessionConfiguration hostIs;
  hostIs.address = v4(0x0A010203);
  SessionConfiguration netIs;
  netIs.networks = {{v4(0x0A010200), 24}};
  SessionConfiguration wideIs;
  wideIs.networks = {{v4(0x0A000000), 8}};
  SessionConfiguration restIs;
  restIs.anySource = true;
  CHECK(router.add(host, hostIs) && router.add(net, netIs) && router.add(wide, wideIs));
  CHECK(router.find(v4(0x0B000000)) == nullptr);
  CHECK(router.add(rest, restIs));
  CHECK(router.find(v4(0x0A010203)) == &host);
  CHECK(router.find(v4(0x0A010204)) == &net);
  CHECK(router.find(v4(0x0A020304)) == &wide);
  CHECK(router.find(v4(0x0B000000)) == &rest);
  CHECK(!router.add(wide, hostIs));
  router.remove(host, hostIs);
  router.remove(rest, restIs);
  CHECK(router.find(v4(0x0A010203)) == &net);
  CHECK(router.find(v4(0x0B000000)) == nullptr);
  router.remove(net, netIs);
  CHECK(router.find(v4(0x0A010203)) == &wide);
}

/// Lists as src/platform/native-codec.ts writes them.
class List {
 public:
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
  List& path() { return put(fromHex("047f0000011194 047f0000021194")); }
  List& addPeer(uint32_t peer) { return u8(1).u32(peer); }
  List& removePeer(uint32_t peer) { return u8(2).u32(peer); }
  List& sa(uint32_t spi, size_t keyLength = 20) {
    return u32(spi)
        .shortText("aes128gcm16")
        .shortText("")
        .u8(0)
        .u8(static_cast<uint32_t>(keyLength))
        .put(Octets(keyLength, 1))
        .u8(0);
  }
  List& addPair(uint32_t peer, uint32_t spi, size_t keyLength = 20, uint32_t window = 64) {
    return u8(3).u32(peer).path().u8(1).u8(1).u16(window).u8(0).u8(0).sa(spi).sa(spi + 1, keyLength);
  }
  List& selector(uint32_t local, uint32_t remote, uint32_t prefix, uint32_t protocol = 0, uint32_t remotePort = 0) {
    return u8(4).u32(local).u8(prefix).u8(4).u32(remote).u8(prefix).u8(protocol).u16(0).u16(remotePort);
  }
  /// Between 10.1.0.0/16 and 10.2.0.0/16.
  List& setTunnel(uint32_t tunnel) { return u8(10).u32(tunnel).u8(1).u16(1).selector(0x0A010000, 0x0A020000, 16); }
  List& removeTunnel(uint32_t tunnel) { return u8(11).u32(tunnel); }
  List& addTunnelPair(uint32_t peer, uint32_t spi, uint32_t tunnel, uint32_t prefix = 16) {
    u8(3).u32(peer).path().u8(1).u8(1).u16(64).u8(0).u8(1).u32(tunnel);
    return selector(0x0A010000, 0x0A020000, prefix).sa(spi).sa(spi + 1);
  }
  List& removePair(uint32_t peer, uint32_t spi) { return u8(5).u32(peer).u32(spi); }
  List& addSession(uint32_t session, uint32_t peer, uint32_t tunnel = 1) {
    return u8(7).u32(session).u32(peer).u16(tunnel).u16(2).u16(1701).u16(3).u16(4).u16(1701).u8(0);
  }
  List& configure(uint32_t session, uint32_t address) {
    return u8(8).u32(session).u8(0).u8(0).u8(0).u16(1400).u8(4).u32(address).u16(0).u8(0);
  }
  List& removeSession(uint32_t session) { return u8(9).u32(session); }
  Octets octets;
};

struct Tables {
  Tables() { context.engine = crypto::makeEngine(); }
  ~Tables() { control.clear(); }
  std::string apply(const List& list) {
    const auto failure = control.apply(list.octets);
    return failure ? failure->code : "";
  }
  Context context;
  Control control{context, [](const Path&) { return 0U; }};
};

TEST("changes: a list is in force as a whole") {
  Tables tables;
  CHECK_EQUAL(tables.apply(List().addPeer(1).addPair(1, 1000).addSession(7, 1).configure(7, 0x0A000005)),
              std::string());
  CHECK(tables.context.inbound.find(1000) != nullptr);
  CHECK(tables.context.router.find(v4(0x0A000005)) == tables.control.session(7));
  CHECK_EQUAL(tables.control.peer(1)->active.load()->inboundSpi, 1000U);
  CHECK_EQUAL(tables.apply(List().removePeer(1)), std::string());
  CHECK(tables.context.inbound.find(1000) == nullptr);
  CHECK(tables.context.router.find(v4(0x0A000005)) == nullptr);
  CHECK(tables.control.session(7) == nullptr);
}

TEST("changes: one that fails leaves nothing of its list, and says why by a stable code") {
  Tables tables;
  CHECK_EQUAL(tables.apply(List().addPeer(1).addPair(1, 1000).addSession(7, 1).configure(7, 0x0A000005)),
              std::string());
  const std::pair<List, std::string> wrong[] = {
      {List().addPeer(2).addPeer(2), "peer-exists"},
      {List().addPeer(2).addPair(3, 2000), "no-such-peer"},
      {List().addPeer(2).addPair(2, 1000), "spi-in-use"},
      {List().addPeer(2).addPair(2, 2000).addPair(2, 2000), "spi-in-use"},
      {List().addPeer(2).addPair(2, 200), "bad-spi"},
      {List().addPeer(2).addPair(2, 2000, 19), "bad-key-length"},
      {List().addPeer(2).addPair(2, 2000, 20, 31), "bad-window"},
      {List().addPeer(2).addPair(2, 2000, 20, 4097), "bad-window"},
      {List().addPeer(2).removePair(2, 1000), "no-such-pair"},
      {List().addPeer(2).removePair(1, 1000).removePair(1, 1000), "no-such-pair"},
      {List().addPeer(2).addSession(7, 2), "session-exists"},
      {List().addPeer(2).addSession(8, 1), "ids-in-use"},
      {List().addPeer(2).configure(9, 0x0A000006), "no-such-session"},
      {List().addPeer(2).addSession(8, 2).configure(8, 0x0A000005), "address-in-use"},
      {List().removePeer(1).configure(7, 0x0A000006), "no-such-session"},
      {List().removePeer(1).addPair(1, 3000), "no-such-peer"},
      {List().addPeer(2).u8(99), "bad-list"},
      {List().addPeer(2).u8(1).u8(0), "bad-list"},
  };
  for (const auto& [list, code] : wrong) {
    CHECK_EQUAL(tables.apply(list), code);
    CHECK(tables.control.peer(2) == nullptr);
    CHECK(tables.control.session(8) == nullptr);
    CHECK(tables.context.inbound.find(2000) == nullptr);
    CHECK(tables.context.router.find(v4(0x0A000005)) == tables.control.session(7));
  }
}

TEST("changes: what an earlier change of the list frees, a later one may take") {
  Tables tables;
  CHECK_EQUAL(tables.apply(List().addPeer(1).addPair(1, 1000).addSession(7, 1).configure(7, 0x0A000005)),
              std::string());
  CHECK_EQUAL(
      tables.apply(List().addPeer(2).removePair(1, 1000).addPair(2, 1000).removeSession(7).addSession(8, 2).configure(
          8, 0x0A000005)),
      std::string());
  CHECK_EQUAL(static_cast<Pair*>(tables.context.inbound.find(1000)->owner())->peer.id, 2U);
  CHECK(tables.context.router.find(v4(0x0A000005)) == tables.control.session(8));
  CHECK(tables.control.peer(1)->active.load() == nullptr);
  CHECK_EQUAL(tables.apply(List().configure(8, 0x0A000006).addSession(7, 1).configure(7, 0x0A000005)), std::string());
  CHECK(tables.context.router.find(v4(0x0A000006)) == tables.control.session(8));
}

TEST("changes: each of a peer's many sessions is found by its ids, and no other") {
  Tables tables;
  List list;
  list.addPeer(1).addPeer(2);
  for (uint32_t i = 0; i < 300; i++) list.addSession(1000 + i, 1, i * 7919 % 300);
  list.addSession(5, 2, 1);
  CHECK_EQUAL(tables.apply(list), std::string());
  const SessionList* sessions = tables.control.peer(1)->sessions.get();
  for (uint32_t i = 0; i < 300; i++) {
    const Session* found = sessions->find(static_cast<uint16_t>(i * 7919 % 300), 2);
    CHECK(found != nullptr && found->id == 1000 + i);
  }
  CHECK(sessions->find(300, 2) == nullptr && sessions->find(1, 3) == nullptr && sessions->find(0, 0) == nullptr);
  CHECK_EQUAL(tables.control.peer(2)->sessions.get()->find(1, 2)->id, 5U);
}

TEST("changes: when the pair in use goes, the newest usable one takes over") {
  Tables tables;
  CHECK_EQUAL(tables.apply(List().addPeer(1).addPair(1, 1000).addPair(1, 1010).addPair(1, 1020)), std::string());
  CHECK_EQUAL(tables.control.peer(1)->active.load()->inboundSpi, 1020U);
  CHECK_EQUAL(tables.apply(List().removePair(1, 1020)), std::string());
  CHECK_EQUAL(tables.control.peer(1)->active.load()->inboundSpi, 1010U);
  CHECK_EQUAL(tables.apply(List().removePair(1, 1000)), std::string());
  CHECK_EQUAL(tables.control.peer(1)->active.load()->inboundSpi, 1010U);
}

/// UDP from port 1000 to 53.
Octets udpPacket(uint32_t source, uint32_t destination) {
  Octets octets = fromHex("4500001c000000004011000000000000000000000000000003e8003500080000");
  octets.resize(28);
  store32(&octets[12], source);
  store32(&octets[16], destination);
  store16(&octets[20], 1000);
  store16(&octets[22], 53);
  return octets;
}

TEST("tunnels: a selector means addresses, protocol and ports, each way round; what has no ports meets none") {
  const auto meets = [](const Selector& selector, const Octets& octets, Way way) {
    IpPacket packet;
    CHECK(parseIp(octets.data(), octets.size(), packet));
    return selector.meets(packet, way);
  };
  const Network local{v4(0x0A010000), 16};
  const Network remote{v4(0x0A020000), 16};
  const Octets out = udpPacket(0x0A010005, 0x0A020007);
  const Octets in = udpPacket(0x0A020007, 0x0A010005);
  CHECK(meets({local, remote}, out, Way::out) && meets({local, remote}, in, Way::in));
  CHECK(!meets({local, remote}, out, Way::in) && !meets({local, remote}, in, Way::out));
  CHECK(!meets({local, remote}, udpPacket(0x0A010005, 0x0A030007), Way::out));
  CHECK(!meets({local, remote}, udpPacket(0x0A030005, 0x0A010007), Way::in));
  CHECK(meets({local, remote, 17, 1000, 53}, out, Way::out) && !meets({local, remote, 17, 53, 1000}, out, Way::out));
  CHECK(meets({local, remote, 17, 53, 1000}, in, Way::in) && !meets({local, remote, 6}, out, Way::out));
  Octets later = out;
  later[7] = 1;
  CHECK(meets({local, remote, 17}, later, Way::out) && !meets({local, remote, 17, 0, 53}, later, Way::out));
}

TEST(
    "tunnels: the pair that was put into use last and means the packet carries it; what goes leaves it to the others") {
  Tables tables;
  CHECK_EQUAL(tables.apply(List().setTunnel(5).addPeer(1).addPeer(2).addTunnelPair(1, 1000, 5)), std::string());
  const Octets octets = udpPacket(0x0A010005, 0x0A020007);
  IpPacket packet;
  CHECK(parseIp(octets.data(), octets.size(), packet));
  Tunnel* tunnel = tables.context.tunnels.get()->find(packet);
  CHECK(tunnel != nullptr && tunnel->id == 5);
  const auto carrier = [&] {
    const Pair* pair = tunnel->carrier(packet);
    return pair == nullptr ? 0U : pair->inboundSpi;
  };
  CHECK_EQUAL(carrier(), 1000U);
  CHECK(tables.control.peer(1)->active.load() == nullptr);
  // A narrower one for other addresses, and one of another peer.
  CHECK_EQUAL(tables.apply(List().addTunnelPair(1, 1010, 5, 32)), std::string());
  CHECK_EQUAL(carrier(), 1000U);
  CHECK_EQUAL(tables.apply(List().addTunnelPair(2, 1020, 5)), std::string());
  CHECK_EQUAL(carrier(), 1020U);
  CHECK_EQUAL(tables.apply(List().u8(4).u32(1).u32(1000)), std::string());
  CHECK_EQUAL(carrier(), 1000U);
  CHECK_EQUAL(tables.apply(List().removePair(1, 1000)), std::string());
  CHECK_EQUAL(carrier(), 1020U);
  CHECK_EQUAL(tables.apply(List().removePeer(2)), std::string());
  CHECK_EQUAL(carrier(), 0U);
  CHECK_EQUAL(tables.apply(List().addTunnelPair(1, 2000, 6)), std::string("no-such-tunnel"));
  CHECK_EQUAL(tables.apply(List().removeTunnel(6)), std::string("no-such-tunnel"));
  CHECK_EQUAL(tables.apply(List().u8(10).u32(7).u8(0).u16(0)), std::string("no-selector"));
  CHECK_EQUAL(tables.apply(List().removeTunnel(5)), std::string());
  CHECK(tables.context.tunnels.get()->find(packet) == nullptr);
  CHECK(static_cast<Pair*>(tables.context.inbound.find(1010)->owner())->tunnel.load() == nullptr);
}

TEST("tunnels: what waits for an SA is bounded, and given once, in order, when there is one") {
  Tables tables;
  CHECK_EQUAL(tables.apply(List().setTunnel(5).addPeer(1)), std::string());
  const Octets octets = udpPacket(0x0A010005, 0x0A020007);
  IpPacket packet;
  CHECK(parseIp(octets.data(), octets.size(), packet));
  Held& held = tables.context.tunnels.get()->find(packet)->held;
  for (uint8_t i = 0; i < 64; i++) CHECK(held.put({i}));
  CHECK(!held.put({64}));
  Octets given;
  const auto take = [&](Octets& one) { given.push_back(one[0]); };
  tables.control.release(take);
  CHECK(given.empty());
  CHECK_EQUAL(tables.apply(List().addTunnelPair(1, 1000, 5)), std::string());
  tables.control.release(take);
  CHECK_EQUAL(given.size(), size_t{64});
  CHECK(std::is_sorted(given.begin(), given.end()) && held.empty());
  CHECK(held.put(Octets(1400)));
  CHECK(!held.put(Octets(100000)));
}

TEST("tunnels: what waits is given as well when a session has its destination") {
  Tables tables;
  CHECK_EQUAL(tables.apply(List().setTunnel(5).addPeer(1).addPair(1, 1000).addSession(7, 1)), std::string());
  Octets octets = udpPacket(0x0A010005, 0x0A020007);
  IpPacket packet;
  CHECK(parseIp(octets.data(), octets.size(), packet));
  Held& held = tables.context.tunnels.get()->find(packet)->held;
  CHECK(held.put(octets));
  CHECK(held.put(octets));
  size_t given = 0;
  const auto take = [&](Octets& one) { given += one == octets ? size_t{1} : size_t{0}; };
  tables.control.release(take);
  CHECK_EQUAL(given, size_t{0});
  CHECK_EQUAL(tables.apply(List().configure(7, 0x0A020007)), std::string());
  tables.control.release(take);
  CHECK_EQUAL(given, size_t{2});
  CHECK(held.empty());
}

TEST("changes: a broken list of any length is refused") {
  Tables tables;
  const List whole = List().addPeer(1).addPair(1, 1000).addSession(7, 1).configure(7, 0x0A000005);
  for (size_t length = 6; length < whole.octets.size(); length++) {
    List cut;
    cut.octets.assign(whole.octets.begin(), whole.octets.begin() + static_cast<std::ptrdiff_t>(length));
    const std::string code = tables.apply(cut);
    // At the ends of changes it is a shorter list.
    if (code.empty())
      CHECK_EQUAL(tables.apply(List().removePeer(1)), std::string());
    else
      CHECK_EQUAL(code, std::string("bad-list"));
  }
}

}  // namespace
}  // namespace gatehouse::test
