#include "pipeline/data-plane.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <thread>

#include "linux/open-error.h"
#include "pipeline/datagrams.h"
#include "pipeline/do-nothing-engine.h"

namespace gatehouse::pipeline {
namespace {

constexpr uint32_t mostWorkers = 64;
constexpr size_t nonEspMarker = 4;

std::vector<os::SocketOptions> everyAddress(const DataPlaneOptions& options) {
  std::vector<os::SocketOptions> all;
  for (const Address& address : options.listen)
    all.push_back({address, address.isV4() ? AF_INET : AF_INET6, 0, false, options.offloads});
  if (all.empty()) all = {{{}, AF_INET, 0, false, options.offloads}, {{}, AF_INET6, 0, false, options.offloads}};
  return all;
}

/// A kernel without IPv6 is no reason to fail when every address was asked for.
bool mayFail(const DataPlaneOptions& options, const os::SocketOptions& one, const os::OpenError& error) {
  return options.listen.empty() && one.family == AF_INET6 &&
         (error.code() == "EAFNOSUPPORT" || error.code() == "EADDRNOTAVAIL");
}

/// Drops what the main thread's own packets would say to the TUN: it sends no IP.
class NoTun : public PacketSink {
 public:
  void write(const iovec* /*pieces*/, size_t /*count*/) override {}
};

}  // namespace

struct DataPlane::Sender {
  Sender(Context& context, const Sockets& sockets)
      : esp(*context.engine), outbound(context, esp, sockets, events, counters, tun), datagrams(counters) {}
  Events events;
  Counters counters;
  NoTun tun;
  esp::Worker esp;
  Outbound outbound;
  Datagrams datagrams;
};

DataPlane::DataPlane(const DataPlaneOptions& options, std::function<void()> onWake) : control_(context_, os::routeMtu) {
  context_.onWake = std::move(onWake);
  context_.engine = options.engine == doNothing ? makeDoNothingEngine() : crypto::makeEngine(options.engine);
  if (!context_.engine) throw os::OpenError(ENOENT, "crypto engine '" + options.engine + "'", "cannot use");
  const uint32_t wanted = options.workers != 0 ? options.workers : std::max(1U, std::thread::hardware_concurrency());
  const uint32_t count = std::min(wanted, mostWorkers);
  std::vector<Sockets> sockets(count);
  openSockets(options, count, sockets);
  os::TunOptions tun = options.tun;
  tun.queues = count;
  tun.offloads = options.offloads;
  context_.tun = std::make_unique<os::Tun>(tun);
  for (uint32_t i = 0; i < count; i++) workers_.push_back(std::make_unique<Worker>(context_, std::move(sockets[i]), i));
  sender_ = std::make_unique<Sender>(context_, workers_[0]->sockets());
  describe();
  try {
    for (const auto& worker : workers_) worker->start();
  } catch (...) {
    close();
    throw;
  }
}

DataPlane::~DataPlane() { close(); }

void DataPlane::openSockets(const DataPlaneOptions& options, uint32_t workers, std::vector<Sockets>& sockets) {
  context_.ikePort = options.ikePort;
  context_.nattPort = options.nattPort;
  for (os::SocketOptions one : everyAddress(options)) {
    try {
      one.port = context_.ikePort;
      sockets[0].ike.push_back(os::Socket::udp(one));
      context_.ikePort = sockets[0].ike.back().port();
      one.port = context_.nattPort;
      // A socket that shares its port would also share it with a second gateway: the first bind is without, so that somebody else's is noticed.
      if (workers > 1) context_.nattPort = one.port = os::Socket::udp(one).port();
      one.shared = workers > 1;
      for (uint32_t i = 0; i < workers; i++) sockets[i].natt.push_back(os::Socket::udp(one));
      context_.nattPort = sockets[0].natt.back().port();
      if (workers > 1) steered_ = sockets[0].natt.back().steerBySpi(workers) && steered_;
      for (uint32_t i = 0; i < workers; i++) sockets[i].esp.push_back(os::Socket::esp(one, i, workers));
    } catch (const os::OpenError& error) {
      if (!mayFail(options, one, error)) throw;
    }
  }
}

void DataPlane::describe() {
  const os::Tun& tun = *context_.tun;
  const os::Socket& socket = workers_[0]->sockets().natt.front();
  std::string with;
  std::string without;
  const auto say = [&](bool has, const char* what) {
    std::string& list = has ? with : without;
    list += (list.empty() ? "" : ", ") + std::string(what);
  };
  say(tun.checksums(), "TUN checksums");
  say(tun.tcpSegmentation(), "TUN TSO");
  say(tun.udpSegmentation(), "TUN USO");
  say(socket.segments(), "UDP GSO");
  say(socket.coalesces(), "UDP GRO");
  if (workers_.size() > 1) say(steered_, "steering by SPI");
  description_ = context_.engine->description() + "; " + std::to_string(workers_.size()) +
                 (workers_.size() == 1 ? " worker" : " workers") + "; " + (with.empty() ? "no offloads" : with) +
                 (without.empty() ? "" : "; this kernel has no " + without);
}

std::optional<Failure> DataPlane::apply(std::span<const uint8_t> list) {
  if (!sender_) return Failure{"closed", "the data plane is closed"};
  // What was sent before goes by what was there before; and it points into what may go now.
  flush();
  auto failure = control_.apply(list);
  if (!failure) {
    // In place, with room behind for nothing: sealing copies.
    control_.release(
        [&](std::vector<uint8_t>& packet) { sender_->outbound.fromTun({}, packet.data(), packet.size()); });
    sender_->outbound.flush();
    if (sender_->events.takePushed()) context_.wake();
  }
  return failure;
}

void DataPlane::sendIke(const Path& path, std::span<const uint8_t> message) {
  if (!sender_ || message.size() > 0xFFFF - 64) return;
  const Sockets& sockets = workers_[0]->sockets();
  const bool plain = path.local.port == context_.ikePort;
  const os::Socket* socket = Sockets::serving(plain ? sockets.ike : sockets.natt, path.local.address);
  const std::array<uint8_t, nonEspMarker> marker{};
  sendPlain(socket, path, std::span(marker).first(plain ? 0 : nonEspMarker), message);
}

void DataPlane::sendKeepalive(const Path& path) {
  if (!sender_) return;
  const os::Socket* socket = Sockets::serving(workers_[0]->sockets().natt, path.local.address);
  const std::array<uint8_t, 1> octet{0xFF};
  sendPlain(socket, path, {}, octet);
}

void DataPlane::sendPlain(const os::Socket* socket, const Path& path, std::span<const uint8_t> head,
                          std::span<const uint8_t> message) {
  if (socket == nullptr) {
    sender_->counters.add(Counter::dropSend);
    return;
  }
  if (sender_->outbound.holdsFor(path.remote.address)) sender_->outbound.flush();
  sender_->datagrams.put(*socket, path, head, message);
}

void DataPlane::sendControl(uint32_t peer, uint16_t localPort, uint16_t remotePort, std::span<const uint8_t> message) {
  if (!sender_) return;
  Peer* found = control_.peer(peer);
  if (found == nullptr) {
    sender_->counters.add(Counter::dropNoPair);
    return;
  }
  keepOrder(*found);
  sender_->outbound.control(*found, localPort, remotePort, message);
}

void DataPlane::sendPpp(uint32_t session, uint16_t protocol, std::span<const uint8_t> payload) {
  if (!sender_) return;
  Session* found = control_.session(session);
  if (found == nullptr) {
    sender_->counters.add(Counter::dropNoPair);
    return;
  }
  keepOrder(found->peer);
  sender_->outbound.ppp(*found, protocol, payload);
}

void DataPlane::keepOrder(const Peer& peer) {
  const Pair* pair = peer.active.load(std::memory_order_acquire);
  if (pair != nullptr && sender_->datagrams.holdsFor(pair->route.get()->path.remote.address))
    sender_->datagrams.flush();
}

void DataPlane::flush() {
  if (!sender_) return;
  sender_->outbound.flush();
  sender_->datagrams.flush();
  if (sender_->events.takePushed()) context_.wake();
}

size_t DataPlane::drain(std::span<uint8_t> to, bool& more) {
  more = false;
  if (!sender_) return 0;
  // An exchange, so that what was pushed before a wake-up that found the flag set is seen here.
  context_.wakePending.exchange(false, std::memory_order_acq_rel);
  // Strangers get at least a quarter, friends at least three quarters, so that neither starves the other; of strangers those who go on come first.
  size_t filled = sender_->events.friends().take(to);
  const auto rest = [&](size_t end) { return to.subspan(filled, end > filled ? end - filled : 0); };
  first_ = (first_ + 1) % workers_.size();
  const auto nth = [&](size_t i) -> Worker& { return *workers_[(first_ + i) % workers_.size()]; };
  for (size_t i = 0; i < workers_.size(); i++) filled += nth(i).events().friends().take(rest(to.size() / 4 * 3));
  for (size_t i = 0; i < workers_.size(); i++) filled += nth(i).events().strangers().take(rest(to.size()));
  // Few at a time, so that who goes on with a negotiation soon gets its turn.
  const size_t end = std::min(to.size(), filled + to.size() / 4);
  for (size_t i = 0; i < workers_.size(); i++) filled += nth(i).events().newcomers().take(rest(end));
  more = !sender_->events.friends().empty();
  for (const auto& worker : workers_) more = more || worker->events().any();
  return filled;
}

std::vector<std::pair<std::string_view, uint64_t>> DataPlane::counters() const {
  std::vector<std::pair<std::string_view, uint64_t>> all;
  for (size_t i = 0; i < counterNames.size(); i++) {
    uint64_t sum = sender_ ? sender_->counters.get(i) : 0;
    for (const auto& worker : workers_) sum += worker->counters().get(i);
    all.emplace_back(counterNames[i], sum);
  }
  return all;
}

void DataPlane::close() {
  context_.stopping.store(true, std::memory_order_release);
  for (const auto& worker : workers_) worker->stop();
  sender_.reset();
  workers_.clear();
  context_.tun.reset();
  control_.clear();
}

}  // namespace gatehouse::pipeline
