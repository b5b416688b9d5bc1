#include "kernel/thread.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "kernel/ruleset.h"
#include "linux/offload-device.h"
#include "linux/open-error.h"

namespace gatehouse::kernel {
namespace {

constexpr size_t nonEspMarker = 4;
constexpr int eventsAtOnce = 64;
constexpr size_t frameRoom = 65536 + 64;
constexpr uint16_t l2tpPort = 1701;
constexpr uint32_t descriptorMask = 0xFFFFFF;

std::vector<os::SocketOptions> everyAddress(const KernelOptions& options, uint16_t port) {
  std::vector<os::SocketOptions> all;
  for (const Address& address : options.listen)
    all.push_back({address, address.isV4() ? AF_INET : AF_INET6, port, false, false});
  if (all.empty()) all = {{{}, AF_INET, port, false, false}, {{}, AF_INET6, port, false, false}};
  return all;
}

const os::Socket* serving(const std::vector<os::Socket>& sockets, const Address& local, uint16_t port = 0) {
  for (const os::Socket& socket : sockets) {
    if ((port == 0 || socket.port() == port) && socket.serves(local)) return &socket;
  }
  return nullptr;
}

/// Five descriptors a session are more than the usual limit has room for.
void raiseLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

// 1 what was held · 2 sockets, by their old descriptors or new ones · 3 the table, which needs their ports · 4 what a former process left, to be claimed or
// removed · 5 the anchor of our inner address · 6 news of the kernel.
KernelPlane::Thread::Thread(const KernelOptions& options, std::function<void()> onWake)
    : options_(options),
      onWake_(std::move(onWake)),
      keeper_(options.holder),
      poll_(::epoll_create1(EPOLL_CLOEXEC)),
      bell_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      frame_(frameRoom) {
  if (!poll_.open() || !bell_.open()) throw os::OpenError(errno, "epoll", "cannot open");
  if (os::namesDevice(options_.offload) && if_nametoindex(options_.offload.c_str()) == 0)
    throw os::OpenError(ENODEV, "device " + options_.offload, "cannot offload to");
  raiseLimit();
  // Without the socket to which the table sends data, nothing of the rest is of use.
  if (!keeper_.has("data-0")) options_.resume = false;
  if (!options_.resume) keeper_.forget();
  openSockets();
  if (!options_.resume) openTable();
  ControlOptions control;
  control.devicePrefix = options_.devicePrefix;
  control.dataPort = dataPort_;
  control.ikePort = ikePort;
  control.nattPort = nattPort;
  control.innerAddress = options_.tun.address;
  control.offload = options_.offload;
  control.resume = options_.resume;
  control_ = std::make_unique<Control>(control, *this, keeper_);
  control_->onChange = [this] { directory.update(control_->tables()); };
  tableChanges_ = std::make_unique<os::Netlink>(NETLINK_NETFILTER);
  openControlPort(l2tpPort);
  openAnchor();
  dhcp_ = std::make_unique<PacketSocket>();
  watchOnceKnown(dhcp_->descriptor(), Source::dhcp, 0);
  news_ = std::make_unique<os::Netlink>(NETLINK_XFRM);
  for (const unsigned group : {XFRMNLGRP_ACQUIRE, XFRMNLGRP_EXPIRE, XFRMNLGRP_AEVENTS, XFRMNLGRP_MAPPING})
    news_->join(group);
  watch(news_->descriptor(), Source::news, 0);
  watch(bell_.get(), Source::wake, 0);
}

KernelPlane::Thread::~Thread() { stop(); }

os::Socket KernelPlane::Thread::socketFor(const std::string& name, const os::SocketOptions& options) {
  names_.push_back(name);
  os::File held = keeper_.take(name);
  if (held.open()) return os::Socket::adopted(std::move(held), options);
  os::Socket socket = os::Socket::udp(options);
  keeper_.hold(name, socket.file());
  return socket;
}

void KernelPlane::Thread::openSockets() {
  const auto open = [&](const std::string& name, std::vector<os::Socket>& into, uint16_t& port, Source source) {
    for (os::SocketOptions one : everyAddress(options_, port)) {
      one.port = port;
      try {
        into.push_back(socketFor(name + std::to_string(into.size()), one));
        port = into.back().port();
      } catch (const os::OpenError& error) {
        // A kernel without IPv6 is no reason to fail when every address was asked for.
        if (!options_.listen.empty() || one.family != AF_INET6 ||
            (error.code() != "EAFNOSUPPORT" && error.code() != "EADDRNOTAVAIL"))
          throw;
      }
    }
    for (size_t i = 0; i < into.size(); i++) watch(into[i].descriptor(), source, static_cast<uint32_t>(i));
  };
  ikePort = options_.ikePort;
  nattPort = options_.nattPort;
  open("ike-", ike_, ikePort, Source::ike);
  open("natt-", natt_, nattPort, Source::natt);
  for (os::Socket& socket : natt_) {
    if (!socket.decapsulate()) throw os::OpenError(errno, "udp port " + std::to_string(nattPort), "cannot decapsulate");
  }
  open("stray-", stray_, strayPort_, Source::stray);
  openStrayEsp();
  // The tunnels' sockets are bound to the same port.
  data_.push_back(socketFor("data-0", {{}, AF_INET, 0, false, false}));
  dataPort_ = data_.back().port();
  const int one = 1;
  setsockopt(data_.back().descriptor(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  watchOnceKnown(data_.back().descriptor(), Source::data, 0);
}

// IPv4 alone: the table gives no other packets this protocol. Nothing of a former process waits in it that is of use.
void KernelPlane::Thread::openStrayEsp() {
  for (os::SocketOptions one : everyAddress(options_, 0)) {
    if (one.family != AF_INET) continue;
    one.protocol = os::strayEspProtocol;
    strayEsp_.push_back(os::Socket::esp(one, 0, 1));
    watch(strayEsp_.back().descriptor(), Source::strayEsp, static_cast<uint32_t>(strayEsp_.size() - 1));
  }
}

void KernelPlane::Thread::openTable() {
  const std::string complaint = os::nft::load(ruleset({nattPort, dataPort_, strayPort_, options_.devicePrefix}));
  if (!complaint.empty())
    throw os::OpenError(EOPNOTSUPP, "nftables table " + std::string(tableName) + " (" + complaint + ")", "cannot load");
}

// Its address is the network's to give; a device that was held has it still.
void KernelPlane::Thread::openAnchor() {
  if (options_.tun.name.empty()) return;
  names_.emplace_back("anchor");
  os::File held = keeper_.take("anchor");
  if (held.open()) {
    anchor_ = std::make_unique<os::Tun>(std::move(held), options_.tun.name);
    return;
  }
  anchor_ = std::make_unique<os::Tun>(options_.tun);
  keeper_.hold("anchor", anchor_->file(0));
}

void KernelPlane::Thread::listenOn(uint16_t port) {
  if (!ports_.contains(port)) openControlPort(port);
}

void KernelPlane::Thread::openControlPort(uint16_t port) {
  for (const os::SocketOptions& one : everyAddress(options_, port)) {
    if (one.family == AF_INET6 && serving(natt_, one.address.known() ? one.address : Address{{}, 16}) == nullptr)
      continue;
    os::Socket socket = socketFor("l2tp-" + std::to_string(port) + "-" + std::to_string(l2tp_.size()), one);
    if (!socket.receiveMarks()) throw os::OpenError(errno, "udp port " + std::to_string(port), "cannot see marks on");
    l2tp_.push_back(std::move(socket));
    watchOnceKnown(l2tp_.back().descriptor(), Source::control, static_cast<uint32_t>(l2tp_.size() - 1));
  }
  std::vector<os::Message> messages;
  messages.push_back(os::nft::addElement(tableName, {"ports", os::nft::Key().port(port).done(), {}, {}}));
  const os::Answer answer = tableChanges_->batch(messages);
  if (!answer.ok()) throw os::OpenError(answer.error, "nftables set of ports", "cannot add to");
  ports_.insert(port);
}

void KernelPlane::Thread::watch(int descriptor, Source source, uint32_t id) {
  epoll_event event{};
  event.events = EPOLLIN;
  // 8 bits, 32 and 24: no process has more descriptors.
  event.data.u64 = static_cast<uint64_t>(source) << 56 | static_cast<uint64_t>(id) << 24 |
                   (static_cast<uint32_t>(descriptor) & descriptorMask);
  ::epoll_ctl(poll_.get(), EPOLL_CTL_ADD, descriptor, &event);
}

void KernelPlane::Thread::watchOnceKnown(int descriptor, Source source, uint32_t id) {
  if (options_.resume) {
    waiting_.push_back({descriptor, source, id});
  } else {
    watch(descriptor, source, id);
  }
}

void KernelPlane::Thread::forgetTheRest() {
  control_->forgetTheRest();
  options_.resume = false;
  for (const Waiting& one : std::exchange(waiting_, {})) watch(one.descriptor, one.source, one.id);
}

void KernelPlane::Thread::add(int descriptor, Kind kind, uint32_t id) {
  watch(descriptor, kind == Kind::tunnel ? Source::tunnel : kind == Kind::channel ? Source::channel : Source::unit, id);
}

void KernelPlane::Thread::remove(int descriptor) { ::epoll_ctl(poll_.get(), EPOLL_CTL_DEL, descriptor, nullptr); }

void KernelPlane::Thread::start() {
  thread_ = std::thread([this] { run(); });
}

// 1 the thread ends · 2 sessions, tunnels, SAs and policies go · 3 the table · 4 the holder lets go · 5 sockets and the anchor, with the object.
void KernelPlane::Thread::stop() {
  if (stopping_.exchange(true)) return;
  const uint64_t one = 1;
  [[maybe_unused]] const auto rung = ::write(bell_.get(), &one, sizeof one);
  if (thread_.joinable()) thread_.join();
  if (!control_) return;
  control_->forgetTheRest();
  control_->clear();
  (void)os::nft::load(noRuleset());
  for (const std::string& name : names_) keeper_.drop(name);
}

void KernelPlane::Thread::post(std::function<void()> work) {
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(work));
  }
  const uint64_t one = 1;
  [[maybe_unused]] const auto rung = ::write(bell_.get(), &one, sizeof one);
}

void KernelPlane::Thread::run() {
  std::array<epoll_event, eventsAtOnce> ready;
  while (!stopping_.load(std::memory_order_acquire)) {
    const int count = ::epoll_wait(poll_.get(), ready.data(), eventsAtOnce, outcomes_.empty() ? -1 : 100);
    for (int i = 0; i < count && !stopping_.load(std::memory_order_acquire); i++) {
      const uint64_t data = ready[static_cast<size_t>(i)].data.u64;
      const auto source = static_cast<Source>(data >> 56);
      const auto id = static_cast<uint32_t>(data >> 24);
      if (source == Source::tunnel) {
        readTunnel(static_cast<int>(data & descriptorMask), static_cast<uint16_t>(id));
      } else {
        dispatch(source, id);
      }
    }
    tellApplied();
    if (events_.takePushed()) wake();
  }
}

void KernelPlane::Thread::dispatch(Source source, uint32_t id) {
  switch (source) {
    case Source::wake: work(); break;
    case Source::news: readNews(); break;
    case Source::ike: readIke(ike_[id], false); break;
    case Source::natt: readIke(natt_[id], true); break;
    case Source::control: readControl(l2tp_[id]); break;
    case Source::data: readTunnel(data_[0].descriptor(), 0); break;
    case Source::stray: readStray(stray_[id], nattPort); break;
    case Source::strayEsp: readStray(strayEsp_[id], 0); break;
    case Source::dhcp: readDhcp(); break;
    case Source::channel: readFrames(id, false); break;
    case Source::unit: readFrames(id, true); break;
    case Source::tunnel: break;
  }
}

void KernelPlane::Thread::work() {
  uint64_t rung = 0;
  [[maybe_unused]] const auto heard = ::read(bell_.get(), &rung, sizeof rung);
  std::deque<std::function<void()>> todo;
  {
    const std::lock_guard lock(mutex_);
    todo.swap(queue_);
  }
  for (const auto& one : todo) {
    if (stopping_.load(std::memory_order_acquire)) return;
    one();
  }
}

void KernelPlane::Thread::wake() {
  if (!wakePending_.exchange(true, std::memory_order_acq_rel)) onWake_();
}

size_t KernelPlane::Thread::drain(std::span<uint8_t> to, bool& more) {
  wakePending_.exchange(false, std::memory_order_acq_rel);
  // Strangers get at least a quarter, so that neither starves the other; of them those who go on come first.
  size_t filled = events_.friends().take(to.first(to.size() / 4 * 3));
  filled += events_.strangers().take(to.subspan(filled));
  filled += events_.newcomers().take(to.subspan(filled, std::min(to.size() - filled, to.size() / 4)));
  more = events_.any();
  return filled;
}

void KernelPlane::Thread::apply(uint32_t job, std::span<const uint8_t> list) {
  std::optional<Failure> failure;
  try {
    failure = control_->apply(list);
  } catch (const std::exception& error) {
    failure = Failure{"kernel", error.what()};
  }
  outcomes_.push_back({job, failure ? failure->code : "", failure ? failure->message : offloadNews()});
  tellApplied();
  const std::lock_guard lock(mutex_);
  offloadWords_ = options_.offload == "off"       ? "offload off"
                  : control_->offloaded() != 0    ? std::to_string(control_->offloaded()) + " SAs offloaded"
                  : control_->notOffloaded() != 0 ? "not offloaded: " + control_->offloadRefusal()
                                                  : "";
}

// Said when it is another than the last time: whether a device takes SAs, or why it doesn't.
std::string KernelPlane::Thread::offloadNews() {
  std::string news;
  if (control_->notOffloaded() != notOffloadedBefore_) news = "not offloaded: " + control_->offloadRefusal();
  if (control_->offloaded() != offloadedBefore_) news = "offloaded";
  notOffloadedBefore_ = control_->notOffloaded();
  offloadedBefore_ = control_->offloaded();
  if (news.empty() || news == offloadTold_) return {};
  return offloadTold_ = news;
}

void KernelPlane::Thread::tellApplied() {
  while (!outcomes_.empty()) {
    const Outcome& outcome = outcomes_.front();
    if (!events_.applied(outcome.job, outcome.code, outcome.message)) return;
    outcomes_.pop_front();
  }
}

std::string KernelPlane::Thread::description() {
  const std::lock_guard lock(mutex_);
  std::string words = "XFRM, PPPoL2TP and nftables";
  if (!offloadWords_.empty()) words += "; " + offloadWords_;
  return words;
}

void KernelPlane::Thread::sendIke(const Path& path, std::span<const uint8_t> message) {
  if (message.size() > 0xFFFF - 64) return;
  const bool plain = path.local.port == ikePort;
  const os::Socket* socket = serving(plain ? ike_ : natt_, path.local.address);
  std::vector<uint8_t> marked(nonEspMarker + message.size());
  std::copy(message.begin(), message.end(), marked.begin() + nonEspMarker);
  const size_t skip = plain ? nonEspMarker : 0;
  const os::Outgoing item{marked.data() + skip, static_cast<uint32_t>(marked.size() - skip), 0, &path};
  if (socket == nullptr || os::sendAll(*socket, &item, 1).failed != 0) counters_.add(pipeline::Counter::dropSend);
}

void KernelPlane::Thread::sendKeepalive(const Path& path) {
  const os::Socket* socket = serving(natt_, path.local.address);
  const uint8_t octet = 0xFF;
  const os::Outgoing item{&octet, 1, 0, &path};
  if (socket == nullptr || os::sendAll(*socket, &item, 1).failed != 0) counters_.add(pipeline::Counter::dropSend);
}

void KernelPlane::Thread::sendControl(uint32_t peer, uint16_t localPort, uint16_t remotePort,
                                      std::span<const uint8_t> message) {
  const Peer* found = control_->tables().peer(peer);
  if (found == nullptr || found->active == nullptr) {
    counters_.add(pipeline::Counter::dropNoPair);
    return;
  }
  try {
    listenOn(localPort);
  } catch (const os::OpenError&) {
    counters_.add(pipeline::Counter::dropSend);
    return;
  }
  Path path = found->active->path;
  path.local.port = localPort;
  path.remote.port = remotePort;
  const os::Socket* socket = serving(l2tp_, path.local.address, localPort);
  const os::Outgoing item{message.data(), static_cast<uint32_t>(message.size()), 0, &path, found->mark()};
  if (socket == nullptr || os::sendAll(*socket, &item, 1).failed != 0) counters_.add(pipeline::Counter::dropSend);
}

void KernelPlane::Thread::sendPpp(uint32_t session, uint16_t protocol, std::span<const uint8_t> payload) {
  const Session* found = control_->tables().session(session);
  if (found == nullptr || !found->channel.open()) {
    counters_.add(pipeline::Counter::dropNoPair);
    return;
  }
  std::vector<uint8_t> frame(2 + payload.size());
  pipeline::store16(frame.data(), protocol);
  std::copy(payload.begin(), payload.end(), frame.begin() + 2);
  if (::write(found->channel.get(), frame.data(), frame.size()) < 0) counters_.add(pipeline::Counter::dropSend);
}

}  // namespace gatehouse::kernel
