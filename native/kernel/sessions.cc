// The part of Control that makes L2TP tunnels, PPP sessions and their interfaces.
#include <fcntl.h>
#include <net/if.h>

#include <algorithm>

#include "kernel/control.h"
#include "kernel/ruleset.h"
#include "linux/nft-elements.h"
#include "linux/ppp-device.h"
#include "linux/rtnetlink-messages.h"
#include "linux/sockets.h"

namespace gatehouse::kernel {
namespace {

using os::nft::Element;
using os::nft::Key;
using os::nft::Octets;

/// Ethernet's, and the most that is believed of a path whose far parts we don't see; RFC 791's least. As in pipeline/control.cc.
constexpr uint32_t usualPathMtu = 1500;
constexpr uint32_t leastPathMtu = 576;
/// The kernel always writes FF 03 and a protocol of two octets.
constexpr uint32_t pppHeader = 4;
constexpr uint32_t udpHeader = 8;
constexpr uint32_t leastMtu = 68;
/// IPv4 and TCP without options.
constexpr uint32_t tcpHeaders = 40;

std::string number(uint64_t value) { return std::to_string(value); }

Octets portValue(uint16_t port) { return Key().port(port).done(); }

/// What the table knows of a tunnel.
std::vector<Element> tunnelElements(const Peer& peer, const Tunnel& tunnel) {
  const Octets wire = Key().mark(peer.mark()).port(tunnel.local).done();
  const Octets ours = portValue(tunnel.number);
  return {{"numbers", wire, {}, ours},
          {"ids", wire, {}, ours},
          {"local_ports", ours, {}, portValue(tunnel.localPort)},
          {"remote_ports", ours, {}, portValue(tunnel.remotePort)}};
}

Element sourceElement(const std::string& name, const pipeline::Network& network) {
  Address last = network.address;
  for (uint8_t i = 0; i < last.length; i++) {
    const int bits = static_cast<int>(network.prefix) - i * 8;
    if (bits <= 0) {
      last.octets[i] = 0xFF;
    } else if (bits < 8) {
      last.octets[i] = static_cast<uint8_t>(last.octets[i] | (0xFF >> bits));
    }
  }
  const auto key = [&](const Address& address) {
    return Key().interface(name).octets({address.octets.data(), address.length}).done();
  };
  return {network.address.isV4() ? "sources" : "sources6", key(network.address), key(last), {}};
}

std::vector<pipeline::Network> sourcesOf(const pipeline::SessionConfiguration& configuration) {
  std::vector<pipeline::Network> all = configuration.networks;
  const auto host = [&](const Address& address) { all.push_back({address, static_cast<uint8_t>(address.length * 8)}); };
  if (configuration.address) host(*configuration.address);
  if (configuration.linkLocal) host(*configuration.linkLocal);
  return all;
}

/// What the table knows of an interface.
std::vector<Element> interfaceElements(const Session& session, const pipeline::SessionConfiguration& configuration,
                                       uint32_t mtu) {
  std::vector<Element> all;
  for (const auto& network : sourcesOf(configuration)) all.push_back(sourceElement(session.name, network));
  const Octets name = Key().interface(session.name).done();
  if (configuration.anySource) all.push_back({"open", name, {}, {}});
  all.push_back({"mss", name, {}, portValue(static_cast<uint16_t>(mtu - tcpHeaders))});
  return all;
}

std::vector<os::Message> adding(const std::vector<Element>& all) {
  std::vector<os::Message> messages;
  for (const Element& one : all) messages.push_back(os::nft::addElement(tableName, one));
  return messages;
}

std::vector<os::Message> removing(const std::vector<Element>& all) {
  std::vector<os::Message> messages;
  for (const Element& one : all) messages.push_back(os::nft::removeElement(tableName, one));
  return messages;
}

void writeSetting(const std::string& path, const char* value) {
  const os::File file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  // A kernel without IPv6 has no such file.
  if (file.open()) [[maybe_unused]]
    const auto written = ::write(file.get(), value, 1);
}

}  // namespace

uint16_t Control::freeNumber() {
  for (uint32_t tries = 0; tries < 0xFFFF; tries++) {
    lastNumber_ = lastNumber_ == 0xFFFF ? uint16_t{1} : static_cast<uint16_t>(lastNumber_ + 1);
    if (!tables_.numbers.contains(lastNumber_)) return lastNumber_;
  }
  throw Refused{"kernel", "all 65535 L2TP tunnels of this kernel are in use"};
}

void Control::establishAll(Peer& peer) {
  for (const auto& session : peer.sessions) {
    if (session->tunnel == nullptr) establish(*session);
  }
}

// 1 the tunnel, if the peer has none with this id · 2 the session's socket · 3 its PPP channel · 4 what was wanted of it already.
void Control::establish(Session& session) {
  const Pair* pair = session.peer.best();
  if (pair == nullptr) return;
  try {
    open(session, *pair);
  } catch (...) {
    leave(session);
    throw;
  }
}

void Control::open(Session& session, const Pair& pair) {
  Tunnel& tunnel = tunnelFor(session, pair);
  session.tunnel = &tunnel;
  tunnel.sessions += 1;
  const os::L2tpIds ids{tunnel.number, session.local.session, session.remote.tunnel, session.remote.session};
  const Path path{{pair.path.local.address, options_.dataPort}, {pair.path.remote.address, tunnel.number}};
  if (adopting_) {
    session.socket = keeper_.take("session-" + number(session.id));
    session.channel = keeper_.take("channel-" + number(session.id));
    if (!session.socket.open() || !session.channel.open())
      throw Refused{"nothing-to-adopt", "nobody held session " + number(session.id)};
  } else {
    session.socket = os::pppol2tpSocket(tunnel.udp, path, ids, session.sequencing);
    session.channel = os::pppChannel(session.socket);
    keeper_.hold("session-" + number(session.id), session.socket);
    keeper_.hold("channel-" + number(session.id), session.channel);
  }
  watch_.add(session.channel.get(), Watch::Kind::channel, session.id);
  if (session.wanted) configure(session, *session.wanted);
}

Tunnel& Control::tunnelFor(Session& session, const Pair& pair) {
  Peer& peer = session.peer;
  if (const auto found = peer.tunnels.find(session.local.tunnel); found != peer.tunnels.end()) return *found->second;
  auto made = std::make_unique<Tunnel>();
  made->local = session.local.tunnel;
  made->remote = session.remote.tunnel;
  made->localPort = session.local.port;
  made->remotePort = session.remote.port;
  if (adopting_) {
    adoptTunnel(*made, peer);
  } else {
    made->number = freeNumber();
    const Path path{{pair.path.local.address, options_.dataPort}, {pair.path.remote.address, made->number}};
    made->udp = os::tunnelSocket(path, peer.mark());
    // The tunnel lives as long as its UDP socket; the one by which it was made isn't needed any more.
    (void)os::pppol2tpSocket(made->udp, path, {made->number, 0, made->remote, 0}, false);
    elements(adding(tunnelElements(peer, *made)), "cannot note a tunnel");
    keeper_.hold("tunnel-" + number(made->number), made->udp);
  }
  Tunnel& tunnel = *made;
  watch_.add(tunnel.udp.get(), Watch::Kind::tunnel, tunnel.number);
  tables_.numbers[tunnel.number] = {&peer, &tunnel};
  peer.tunnels[tunnel.local] = std::move(made);
  return tunnel;
}

void Control::adoptTunnel(Tunnel& tunnel, const Peer& peer) {
  const auto found = remains_.takeTunnel(peer.mark(), tunnel.local);
  if (found) tunnel.udp = keeper_.take("tunnel-" + number(*found));
  if (!tunnel.udp.open())
    throw Refused{"nothing-to-adopt", "nobody held tunnel " + number(tunnel.local) + " of peer " + number(peer.id)};
  tunnel.number = *found;
}

// What the table knows of interfaces that are gone, or of sources that nobody has any more.
void Control::forgetInterfaces() {
  std::vector<Element> wanted;
  for (const auto& [index, session] : tables_.interfaces) {
    if (!session->made) continue;
    for (auto& one : interfaceElements(*session, *session->made, session->mtu)) wanted.push_back(std::move(one));
  }
  for (const char* set : {"sources", "sources6", "open", "mss"}) {
    std::vector<Element> gone;
    os::Message asked = os::nft::dumpElements(tableName, set);
    nft_.dump(asked, [&](const os::Received& message) {
      os::nft::readElements(message, [&](const os::nft::Counted& one) {
        const bool known = std::any_of(wanted.begin(), wanted.end(),
                                       [&](const Element& other) { return other.set == set && other.key == one.key; });
        if (!known) gone.push_back({set, one.key, one.last, {}});
      });
    });
    auto messages = removing(gone);
    nft_.batch(messages);
  }
}

void Control::leave(Session& session) {
  unconfigure(session);
  for (auto* file : {&session.unit, &session.channel}) {
    if (!file->open()) continue;
    watch_.remove(file->get());
    file->close();
  }
  if (session.interface != 0) tables_.interfaces.erase(session.interface);
  session.interface = 0;
  session.socket.close();
  for (const char* kind : {"unit-", "channel-", "session-"}) keeper_.drop(kind + number(session.id));
  Tunnel* tunnel = std::exchange(session.tunnel, nullptr);
  if (tunnel != nullptr && --tunnel->sessions == 0) releaseTunnel(session.peer, *tunnel);
}

void Control::releaseTunnel(Peer& peer, Tunnel& tunnel) {
  auto messages = removing(tunnelElements(peer, tunnel));
  nft_.batch(messages);
  watch_.remove(tunnel.udp.get());
  keeper_.drop("tunnel-" + number(tunnel.number));
  tables_.numbers.erase(tunnel.number);
  peer.tunnels.erase(tunnel.local);
}

void Control::checkAddresses(const Session& session, const pipeline::SessionConfiguration& configuration) const {
  const auto routed = [](const pipeline::SessionConfiguration& one) {
    auto all = one.networks;
    if (one.address) all.push_back({*one.address, static_cast<uint8_t>(one.address->length * 8)});
    return all;
  };
  const auto wanted = routed(configuration);
  if (wanted.empty()) return;
  for (const auto& [id, other] : tables_.sessions) {
    if (other == &session || !other->wanted) continue;
    const auto taken = routed(*other->wanted);
    for (const auto& network : wanted) {
      if (std::find(taken.begin(), taken.end(), network) != taken.end())
        throw Refused{"address-in-use",
                      "an address or network of session " + number(session.id) + " belongs to session " + number(id)};
    }
  }
}

void Control::makeUnit(Session& session) {
  int unit = -1;
  if (adopting_) session.unit = keeper_.take("unit-" + number(session.id));
  const bool there = session.unit.open();
  if (there) {
    unit = os::unitNumber(session.unit);
  } else {
    session.unit = os::pppUnit(unit);
  }
  const std::string first = "ppp" + number(static_cast<uint64_t>(unit));
  session.name = options_.devicePrefix + number(static_cast<uint64_t>(unit));
  session.interface = static_cast<int>(if_nametoindex((there ? session.name : first).c_str()));
  if (!there) {
    os::setNetworkModes(session.unit, false, false);
    if (!os::connectUnit(session.channel, unit)) throw Refused{"kernel", "cannot connect " + first + " to its channel"};
    keeper_.hold("unit-" + number(session.id), session.unit);
  }
  tables_.interfaces[session.interface] = &session;
  watch_.add(session.unit.get(), Watch::Kind::unit, session.id);
}

uint32_t Control::mtuOf(const Session& session, const pipeline::SessionConfiguration& configuration) const {
  const Pair* pair = session.peer.best();
  if (pair == nullptr) return std::max(configuration.mtu, leastMtu);
  const uint32_t known = os::routeMtu(pair->path);
  const uint32_t path = known == 0 ? usualPathMtu : std::clamp(known, leastPathMtu, usualPathMtu);
  const uint32_t outer = (pair->path.remote.address.isV4() ? 20U : 40U) + (pair->encapsulated ? udpHeader : 0U);
  const auto payload = static_cast<uint32_t>(pair->outbound.transform.largestPayload(path - outer));
  const uint32_t headers = udpHeader + (session.sequencing ? 10U : 6U) + pppHeader;
  return std::max(std::min(configuration.mtu, payload > headers ? payload - headers : 0), leastMtu);
}

void Control::refreshMtus(Peer& peer) {
  for (const auto& session : peer.sessions) {
    if (!session->made) continue;
    const uint32_t mtu = mtuOf(*session, *session->made);
    if (mtu == session->mtu) continue;
    const Octets name = Key().interface(session->name).done();
    auto messages = removing({{"mss", name, {}, portValue(static_cast<uint16_t>(session->mtu - tcpHeaders))}});
    messages.push_back(
        os::nft::addElement(tableName, {"mss", name, {}, portValue(static_cast<uint16_t>(mtu - tcpHeaders))}));
    nft_.batch(messages);
    os::Message link = os::rtnetlink::setMtu(session->interface, mtu);
    route_.request(link);
    session->mtu = mtu;
  }
}

// 1 what stood there goes · 2 the interface, if there is none yet · 3 the table knows its sources · 4 addresses and routes · 5 packets pass.
void Control::configure(Session& session, const pipeline::SessionConfiguration& configuration) {
  if (session.tunnel == nullptr) return;
  unconfigure(session);
  if (!configuration.open()) return;
  if (!session.unit.open()) makeUnit(session);
  const bool named = if_nametoindex(session.name.c_str()) != 0;
  session.mtu = mtuOf(session, configuration);
  session.made = configuration;
  if (adopting_) {
    // The one value that may be another than before.
    auto mss = removing({{"mss", Key().interface(session.name).done(), {}, {}}});
    nft_.batch(mss);
  }
  elements(adding(interfaceElements(session, configuration, session.mtu)),
           "cannot note the sources of " + session.name);
  os::setCompression(session.unit, configuration.pfc, configuration.acfc);
  // No link-local address of the kernel's own making, and forwarding for this interface alone.
  const std::string was = "/proc/sys/net/ipv6/conf/ppp" + number(static_cast<uint64_t>(os::unitNumber(session.unit)));
  writeSetting(was + "/addr_gen_mode", "1");
  writeSetting("/proc/sys/net/ipv6/conf/" + session.name + "/addr_gen_mode", "1");
  // What is up can't be given a name, not even its own.
  os::Message link = named ? os::rtnetlink::setMtu(session.interface, session.mtu)
                           : os::rtnetlink::setLink(session.interface, session.name, session.mtu);
  must(route_.request(link), "kernel", "cannot set up " + session.name);
  writeSetting("/proc/sys/net/ipv4/conf/" + session.name + "/forwarding", "1");
  setRoutes(session, configuration, true);
  if (!os::setNetworkModes(session.unit, true, configuration.linkLocal.has_value()))
    throw Refused{"kernel", "cannot let packets pass on " + session.name};
}

void Control::setRoutes(Session& session, const pipeline::SessionConfiguration& configuration, bool add) {
  const int index = session.interface;
  const auto ask = [&](os::Message message, const std::string& what) {
    const os::Answer answer = route_.request(message);
    if (add) must(answer, "kernel", what + " on " + session.name);
  };
  if (configuration.address) {
    const bool ours = options_.innerAddress.length == configuration.address->length;
    if (ours)
      ask(add ? os::rtnetlink::addAddress(index, options_.innerAddress, *configuration.address)
              : os::rtnetlink::removeAddress(index, options_.innerAddress, *configuration.address),
          "cannot set the address");
    else
      ask(add ? os::rtnetlink::addRoute(
                    index, {*configuration.address, static_cast<uint8_t>(configuration.address->length * 8)})
              : os::rtnetlink::removeRoute(
                    index, {*configuration.address, static_cast<uint8_t>(configuration.address->length * 8)}),
          "cannot set the route");
  }
  for (const auto& network : configuration.networks)
    ask(add ? os::rtnetlink::addRoute(index, network) : os::rtnetlink::removeRoute(index, network),
        "cannot set a route");
}

void Control::unconfigure(Session& session) {
  if (!session.made) return;
  os::setNetworkModes(session.unit, false, false);
  setRoutes(session, *session.made, false);
  auto messages = removing(interfaceElements(session, *session.made, session.mtu));
  nft_.batch(messages);
  session.made.reset();
}

}  // namespace gatehouse::kernel
