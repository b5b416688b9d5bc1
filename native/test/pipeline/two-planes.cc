// Two data planes in one process, their TUNs in network namespaces of their own, real TCP and UDP between them: what sanitizers watch. Needs root and
// /dev/net/tun, and says so where they are missing.
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "crypto/transform.h"
#include "linux/open-error.h"
#include "pipeline/data-plane.h"
#include "test/pipeline/packets.h"

namespace gatehouse::test {
namespace {

using namespace pipeline;

bool run(const std::string& command) { return std::system((command + " >/dev/null 2>&1").c_str()) == 0; }

/// Outlives this process, by whatever death, and then deletes the namespace: a shell in a session of its own, at the other end of a pipe that nobody writes to.
class Watcher {
 public:
  explicit Watcher(const std::string& name)
      : pipe_(popen(("exec setsid sh -c 'cat; exec ip netns del " + name + "' >/dev/null 2>&1").c_str(), "we")) {}
  ~Watcher() {
    if (pipe_ != nullptr) pclose(pipe_);
  }
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

 private:
  FILE* pipe_;
};

/// A namespace that goes with the object, or with the process.
class Namespace {
 public:
  explicit Namespace(std::string name) : name_(std::move(name)), watcher_(name_), made_(run("ip netns add " + name_)) {}
  [[nodiscard]] bool made() const { return made_; }
  [[nodiscard]] const std::string& name() const { return name_; }
  /// Runs `body` on a thread inside.
  template <typename Body>
  void inside(Body&& body) const {
    std::thread([&] {
      const os::File file(open(("/var/run/netns/" + name_).c_str(), O_RDONLY | O_CLOEXEC));
      CHECK_EQUAL(setns(file.get(), CLONE_NEWNET), 0);
      body();
    }).join();
  }

 private:
  std::string name_;
  Watcher watcher_;
  bool made_;
};

struct Spec {
  std::string cipher;
  std::string hash;
  /// Where the client's is another.
  std::string clientHash = {};
  bool encapsulated = true;
  uint32_t workers = 1;
  bool sequencing = false;
  bool compressed = false;
  std::string engine = {};
  bool ipv6 = false;
  bool offloads = true;
};

const Octets loopback6 = fromHex("00000000000000000000000000000001");

Octets list(const Spec& spec, const DataPlane& from, const DataPlane& to, bool client) {
  Octets octets;
  const auto u8 = [&](uint32_t value) { octets.push_back(static_cast<uint8_t>(value)); };
  const auto u16 = [&](uint32_t value) { u8(value >> 8), u8(value); };
  const auto u32 = [&](uint32_t value) { u16(value >> 16), u16(value); };
  const auto text = [&](const std::string& value) {
    u8(static_cast<uint32_t>(value.size()));
    octets.insert(octets.end(), value.begin(), value.end());
  };
  const std::string hash = client && !spec.clientHash.empty() ? spec.clientHash : spec.hash;
  const auto sa = [&](uint32_t spi) {
    const auto transform = crypto::transformFromNames(spec.cipher, hash, false);
    u32(spi), text(spec.cipher), text(hash), u8(0);
    const Octets cipher = sequenceOf(transform->cipherKeyLength(), static_cast<uint8_t>(spi));
    const Octets integrity = sequenceOf(transform->integrityKeyLength(), static_cast<uint8_t>(spi + 1));
    text({cipher.begin(), cipher.end()}), text({integrity.begin(), integrity.end()});
  };
  u8(1), u32(1);
  u8(3), u32(1);
  for (const bool ours : {true, false}) {
    const Octets address = spec.ipv6 ? loopback6 : loopbackOctets(client == ours ? 2 : 1);
    u8(static_cast<uint32_t>(address.size()));
    octets.insert(octets.end(), address.begin(), address.end());
    u16(ours ? from.nattPort() : to.nattPort());
  }
  u8(spec.encapsulated), u8(1), u16(1024), u8(0), u8(0), sa(client ? 1001 : 1002), sa(client ? 1002 : 1001);
  u8(7), u32(1), u32(1);
  const uint32_t ids[2] = {11, 12};
  for (const uint32_t id : {ids[client ? 0 : 1], ids[client ? 1 : 0]}) u16(id), u16(id + 100), u16(1701);
  u8(spec.sequencing);
  u8(8), u32(1), u8(spec.compressed), u8(spec.compressed), u8(client), u16(1400), u8(4),
      u32(client ? 0x0A630001 : 0x0A630002), u16(0), u8(0);
  return octets;
}

sockaddr_in nameOf(const char* address, uint16_t port) {
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(port);
  inet_pton(AF_INET, address, &name.sin_addr);
  return name;
}

/// Sends `size` octets by TCP from the current namespace to the listener, and reads back how many arrived and their sum.
struct Tally {
  uint64_t octets = 0;
  uint64_t sum = 0;
  bool operator==(const Tally&) const = default;
};

Tally receiveAll(int listener) {
  Tally tally;
  pollfd waiting{listener, POLLIN, 0};
  if (poll(&waiting, 1, 10000) <= 0) return tally;
  const os::File connection(accept(listener, nullptr, nullptr));
  Octets buffer(65536);
  for (;;) {
    const ssize_t length = read(connection.get(), buffer.data(), buffer.size());
    if (length <= 0) return tally;
    for (ssize_t i = 0; i < length; i++) tally.sum = tally.sum * 31 + buffer[static_cast<size_t>(i)];
    tally.octets += static_cast<uint64_t>(length);
  }
}

Tally sendAll(const char* address, uint16_t port, size_t size, int seconds = 10) {
  Tally tally;
  const os::File connection(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval patience{seconds, 0};
  setsockopt(connection.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  const sockaddr_in name = nameOf(address, port);
  if (connect(connection.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) return tally;
  while (tally.octets < size) {
    const Octets chunk = sequenceOf(std::min<size_t>(40000, size - tally.octets), static_cast<uint8_t>(tally.octets));
    const ssize_t length = write(connection.get(), chunk.data(), chunk.size());
    if (length <= 0) return tally;
    for (ssize_t i = 0; i < length; i++) tally.sum = tally.sum * 31 + chunk[static_cast<size_t>(i)];
    tally.octets += static_cast<uint64_t>(length);
  }
  return tally;
}

size_t sendDatagrams(const char* address, uint16_t port, size_t count) {
  const os::File file(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const sockaddr_in name = nameOf(address, port);
  const Octets datagram = sequenceOf(1000);
  size_t sent = 0;
  for (size_t i = 0; i < count; i++)
    sent += sendto(file.get(), datagram.data(), datagram.size(), 0, reinterpret_cast<const sockaddr*>(&name),
                   sizeof name) > 0;
  return sent;
}

void transfer(const Namespace& from, const Namespace& to, const char* address, size_t size) {
  int accepting = -1;
  to.inside([&] {
    accepting = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in name = nameOf(address, 5555);
    const int one = 1;
    setsockopt(accepting, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    CHECK_EQUAL(bind(accepting, reinterpret_cast<const sockaddr*>(&name), sizeof name), 0);
    CHECK_EQUAL(listen(accepting, 4), 0);
  });
  Tally received;
  std::thread receiver([&] { received = receiveAll(accepting); });
  Tally sent;
  from.inside([&] { sent = sendAll(address, 5555, size); });
  receiver.join();
  close(accepting);
  CHECK_EQUAL(sent.octets, size);
  CHECK(received == sent);
}

uint64_t counted(const DataPlane& plane, std::string_view name) {
  for (const auto& [which, value] : plane.counters()) {
    if (which == name) return value;
  }
  return 0;
}

void exchange(const Spec& spec) {
  if (geteuid() != 0 || access("/dev/net/tun", R_OK | W_OK) != 0) return skip("needs root and /dev/net/tun");
  const std::string prefix = "ght" + std::to_string(getpid() % 100000);
  const Namespace gatewaySide(prefix + "g");
  const Namespace clientSide(prefix + "c");
  if (!gatewaySide.made() || !clientSide.made()) return skip("network namespaces can't be made");
  DataPlaneOptions options;
  options.ikePort = options.nattPort = 0;
  options.workers = spec.workers;
  options.engine = spec.engine;
  options.offloads = spec.offloads;
  const Address address6 = Address::from(loopback6.data(), 16);
  options.listen = {spec.ipv6 ? address6 : Address::from(loopbackOctets(1).data(), 4)};
  options.tun.name = gatewaySide.name();
  DataPlane gateway(options, [] {});
  options.listen = {spec.ipv6 ? address6 : Address::from(loopbackOctets(2).data(), 4)};
  options.tun.name = clientSide.name();
  DataPlane client(options, [] {});
  CHECK(!gateway.apply(list(spec, gateway, client, false)));
  CHECK(!client.apply(list(spec, client, gateway, true)));
  for (const auto& [side, address] :
       {std::pair(&gatewaySide, "10.99.0.1/24"), std::pair(&clientSide, "10.99.0.2/24")}) {
    const std::string& name = side->name();
    CHECK(run(std::string("ip link set ").append(name).append(" netns ").append(name)));
    CHECK(run(std::string("ip -n ").append(name).append(" addr add ").append(address).append(" dev ").append(name)));
    CHECK(run(std::string("ip -n ").append(name).append(" link set ").append(name).append(" up")));
  }
  const size_t size = 4'000'000;
  transfer(clientSide, gatewaySide, "10.99.0.1", size);
  transfer(gatewaySide, clientSide, "10.99.0.2", size);
  std::vector<uint8_t> events(65536);
  bool more = false;
  CHECK(gateway.drain(events, more) != 0);
  CHECK(!gateway.activity().empty());
  for (const char* name : {"dropForged", "dropReplayed", "dropMalformed", "dropInner", "dropNotL2tp", "dropStray",
                           "dropEngine", "dropEncapsulation", "dropTooShort"}) {
    CHECK_EQUAL(counted(gateway, name), 0U);
    CHECK_EQUAL(counted(client, name), 0U);
  }
  CHECK_EQUAL(counted(gateway, "truncationSwitched"), spec.clientHash.empty() ? 0U : 1U);
  CHECK_EQUAL(counted(client, "truncationSwitched"), 0U);
  // In the midst of things: the peer goes while its packets fly, and one end closes.
  const std::string address = "10.99.0.1";
  std::thread flying([&] { clientSide.inside([&] { (void)sendDatagrams(address.c_str(), 5556, 2000); }); });
  CHECK(!gateway.apply(fromHex("0200000001")));
  client.close();
  flying.join();
}

TEST("two planes: AES-GCM, one worker") { exchange({.cipher = "aes128gcm16", .hash = ""}); }
TEST("two planes: AES-CBC with SHA1 over protocol 50") {
  exchange({.cipher = "aes256", .hash = "sha1", .encapsulated = false});
}
TEST("two planes: several workers, numbered and compressed") {
  exchange({.cipher = "aes128", .hash = "sha256", .workers = 3, .sequencing = true, .compressed = true});
}
TEST("two planes: a client that cuts SHA2-256 to 96 bits") {
  exchange({.cipher = "aes128", .hash = "sha256", .clientHash = "sha256_96", .workers = 2});
}
TEST("two planes: several workers over protocol 50") {
  exchange({.cipher = "aes128gcm16", .hash = "", .encapsulated = false, .workers = 2});
}
TEST("two planes: over IPv6") { exchange({.cipher = "aes256", .hash = "sha1", .workers = 2, .ipv6 = true}); }
TEST("two planes: protocol 50 over IPv6, several workers") {
  exchange({.cipher = "aes128gcm16", .hash = "", .encapsulated = false, .workers = 2, .ipv6 = true});
}
TEST("two planes: a kernel without offloads") { exchange({.cipher = "aes256", .hash = "sha1", .offloads = false}); }
TEST("two planes: OpenSSL") { exchange({.cipher = "3des", .hash = "md5", .engine = "openssl"}); }

/// One end of a tunnel between 10.1.0.0/24 (the gateway's) and 10.2.0.0/24, whose ESP goes by a socket at `middle`.
Octets tunnelList(const DataPlane& plane, bool client, uint16_t middle) {
  Octets octets;
  const auto u8 = [&](uint32_t value) { octets.push_back(static_cast<uint8_t>(value)); };
  const auto u16 = [&](uint32_t value) { u8(value >> 8), u8(value); };
  const auto u32 = [&](uint32_t value) { u16(value >> 16), u16(value); };
  const auto add = [&](const Octets& more) {
    u8(static_cast<uint32_t>(more.size()));
    octets.insert(octets.end(), more.begin(), more.end());
  };
  const auto selector = [&] {
    for (const bool ours : {true, false}) add({10, static_cast<uint8_t>(ours == client ? 2 : 1), 0, 0}), u8(24);
    u8(0), u16(0), u16(0);
  };
  const auto sa = [&](uint32_t spi) {
    u32(spi), add({'a', 'e', 's', '1', '2', '8', 'g', 'c', 'm', '1', '6'}), add({}), u8(0);
    add(sequenceOf(20, static_cast<uint8_t>(spi))), add({});
  };
  u8(1), u32(1);
  u8(10), u32(1), u8(0), u16(1), selector();
  u8(3), u32(1);
  add(loopbackOctets(client ? 2 : 1)), u16(plane.nattPort()), add(loopbackOctets(3)), u16(middle);
  u8(1), u8(1), u16(1024), u8(0), u8(1), u32(1), selector(), sa(client ? 1001 : 1002), sa(client ? 1002 : 1001);
  return octets;
}

struct Marked {
  Octets octets;
  uint8_t trafficClass = 0;
};

/// The next datagram with its DSCP and ECN; empty if none comes within two seconds.
Marked receiveMarked(int descriptor) {
  Marked marked;
  pollfd waiting{descriptor, POLLIN, 0};
  if (poll(&waiting, 1, 2000) <= 0) return marked;
  marked.octets.resize(2048);
  iovec vector{marked.octets.data(), marked.octets.size()};
  alignas(cmsghdr) char control[64];
  msghdr header{};
  header.msg_iov = &vector;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  const ssize_t length = recvmsg(descriptor, &header, 0);
  CHECK(length > 0);
  marked.octets.resize(static_cast<size_t>(length));
  for (cmsghdr* at = CMSG_FIRSTHDR(&header); at != nullptr; at = CMSG_NXTHDR(&header, at))
    if (at->cmsg_level == IPPROTO_IP && at->cmsg_type == IP_TOS) marked.trafficClass = *CMSG_DATA(at);
  return marked;
}

int udpSocket(const char* address, uint16_t port) {
  const int file = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const int one = 1;
  setsockopt(file, IPPROTO_IP, IP_RECVTOS, &one, sizeof one);
  const sockaddr_in name = nameOf(address, port);
  CHECK_EQUAL(bind(file, reinterpret_cast<const sockaddr*>(&name), sizeof name), 0);
  return file;
}

void sendMarked(int descriptor, const char* address, uint16_t port, const Octets& octets, int trafficClass) {
  CHECK_EQUAL(setsockopt(descriptor, IPPROTO_IP, IP_TOS, &trafficClass, sizeof trafficClass), 0);
  const sockaddr_in name = nameOf(address, port);
  CHECK(sendto(descriptor, octets.data(), octets.size(), 0, reinterpret_cast<const sockaddr*>(&name), sizeof name) > 0);
}

TEST("two planes: a tunnel's outer header has the inner DSCP, and a congestion mark on it comes inside") {
  if (geteuid() != 0 || access("/dev/net/tun", R_OK | W_OK) != 0) return skip("needs root and /dev/net/tun");
  const std::string prefix = "ght" + std::to_string(getpid() % 100000);
  const Namespace gatewaySide(prefix + "g");
  const Namespace clientSide(prefix + "c");
  if (!gatewaySide.made() || !clientSide.made()) return skip("network namespaces can't be made");
  DataPlaneOptions options;
  options.ikePort = options.nattPort = 0;
  options.workers = 1;
  options.listen = {Address::from(loopbackOctets(1).data(), 4)};
  options.tun.name = gatewaySide.name();
  DataPlane gateway(options, [] {});
  options.listen = {Address::from(loopbackOctets(2).data(), 4)};
  options.tun.name = clientSide.name();
  DataPlane client(options, [] {});
  const std::string middleAddress = os::showAddress(Address::from(loopbackOctets(3).data(), 4));
  const os::File middle(udpSocket(middleAddress.c_str(), 0));
  sockaddr_in middleName{};
  socklen_t nameLength = sizeof middleName;
  getsockname(middle.get(), reinterpret_cast<sockaddr*>(&middleName), &nameLength);
  CHECK(!gateway.apply(tunnelList(gateway, false, ntohs(middleName.sin_port))));
  CHECK(!client.apply(tunnelList(client, true, ntohs(middleName.sin_port))));
  for (const auto& [side, own, other] : {std::tuple(&gatewaySide, "10.1.0.1/24", "10.2.0.0/24"),
                                         std::tuple(&clientSide, "10.2.0.1/24", "10.1.0.0/24")}) {
    const std::string& name = side->name();
    const std::string in = "ip -n " + name;
    CHECK(run("ip link set " + name + " netns " + name));
    CHECK(run(in + " addr add " + own + " dev " + name));
    CHECK(run(in + " link set " + name + " up"));
    CHECK(run(in + " route add " + other + " dev " + name));
  }
  int sender = -1;
  int receiver = -1;
  clientSide.inside([&] { sender = udpSocket("10.2.0.1", 5557); });
  gatewaySide.inside([&] { receiver = udpSocket("10.1.0.1", 5557); });
  const std::string gatewayAddress = os::showAddress(Address::from(loopbackOctets(1).data(), 4));
  struct Row {
    uint8_t inner;
    uint8_t outerSent;
    uint8_t outerArrives;
    uint8_t innerArrives;
  };
  // Expedited forwarding and AF21, capable of ECN or not; marked on the way or not.
  for (const Row& row : {Row{0xBA, 0xB8, 0xB8, 0xBA}, Row{0xBA, 0xB8, 0x03, 0xBB}, Row{0x49, 0x48, 0x4B, 0x4B},
                         Row{0x48, 0x48, 0x49, 0x48}, Row{0x00, 0x00, 0xB8, 0x00}}) {
    sendMarked(sender, "10.1.0.1", 5557, sequenceOf(300), row.inner);
    const Marked outer = receiveMarked(middle.get());
    CHECK_EQUAL(outer.trafficClass, row.outerSent);
    sendMarked(middle.get(), gatewayAddress.c_str(), gateway.nattPort(), outer.octets, row.outerArrives);
    const Marked inner = receiveMarked(receiver);
    CHECK(inner.octets == sequenceOf(300));
    CHECK_EQUAL(inner.trafficClass, row.innerArrives);
  }
  CHECK_EQUAL(counted(gateway, "congestionMarked"), 2U);
  // A sender that doesn't know ECN would not understand the mark: the packet is dropped, as a router would have done.
  sendMarked(sender, "10.1.0.1", 5557, sequenceOf(300), 0x48);
  sendMarked(middle.get(), gatewayAddress.c_str(), gateway.nattPort(), receiveMarked(middle.get()).octets, 0x4B);
  for (int i = 0; i < 200 && counted(gateway, "dropCongested") == 0; i++)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  CHECK_EQUAL(counted(gateway, "dropCongested"), 1U);
  close(sender);
  close(receiver);
}

TEST("opening: a busy port says which, and nothing stays behind") {
  if (geteuid() != 0 || access("/dev/net/tun", R_OK | W_OK) != 0) return skip("needs root and /dev/net/tun");
  const os::File holder(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const std::string address = os::showAddress(Address::from(loopbackOctets(1).data(), 4));
  sockaddr_in name = nameOf(address.c_str(), 0);
  socklen_t length = sizeof name;
  CHECK_EQUAL(bind(holder.get(), reinterpret_cast<const sockaddr*>(&name), length), 0);
  getsockname(holder.get(), reinterpret_cast<sockaddr*>(&name), &length);
  DataPlaneOptions options;
  options.listen = {Address::from(loopbackOctets(1).data(), 4)};
  options.ikePort = 0;
  options.nattPort = ntohs(name.sin_port);
  options.tun.name = "ghtbusy";
  for (const uint32_t workers : {1U, 2U}) {
    options.workers = workers;
    try {
      const DataPlane plane(options, [] {});
      CHECK(false);
    } catch (const os::OpenError& error) {
      CHECK_EQUAL(error.code(), std::string("EADDRINUSE"));
      CHECK_EQUAL(error.subject(), "udp " + address + ":" + std::to_string(options.nattPort));
    }
  }
  // The other gateway may share its own ports among its workers: we still don't join in.
  const int one = 1;
  setsockopt(holder.get(), SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
  CHECK_THROWS(DataPlane(options, [] {}), os::OpenError);
  CHECK(!run("ip link show ghtbusy"));
}

TEST("opening: a device of that name exists") {
  if (geteuid() != 0 || access("/dev/net/tun", R_OK | W_OK) != 0) return skip("needs root and /dev/net/tun");
  DataPlaneOptions options;
  options.listen = {Address::from(loopbackOctets(1).data(), 4)};
  options.ikePort = options.nattPort = 0;
  options.workers = 2;
  options.tun.name = "ghttwice";
  const DataPlane plane(options, [] {});
  try {
    const DataPlane second(options, [] {});
    CHECK(false);
  } catch (const os::OpenError& error) {
    CHECK_EQUAL(error.code(), std::string("EBUSY"));
    CHECK_EQUAL(error.subject(), std::string("device ghttwice"));
  }
}

}  // namespace
}  // namespace gatehouse::test
