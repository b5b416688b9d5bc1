#include "pipeline/worker.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>

#include <csignal>
#include <cstring>

#include "linux/open-error.h"

namespace gatehouse::pipeline {
namespace {

// What an epoll event's tag says: a kind, and the number of the socket.
enum class Source : uint32_t { kick, tun, ike, natt, esp };

uint64_t tagOf(Source source, size_t index = 0) { return (static_cast<uint64_t>(source) << 32) | index; }

uint64_t milliseconds() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000 + static_cast<uint64_t>(now.tv_nsec) / 1000000;
}

}  // namespace

void TunQueue::write(const iovec* pieces, size_t count) {
  if (::writev(descriptor_, pieces, static_cast<int>(count)) >= 0) {
    counters_.add(Counter::tunOut);
  } else {
    counters_.add(Counter::dropTunWrite);
  }
}

Worker::Worker(Context& context, Sockets sockets, uint32_t queue)
    : context_(context),
      sockets_(std::move(sockets)),
      tunDescriptor_(context.tun->descriptor(queue)),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      kick_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      esp_(*context.engine),
      tun_(tunDescriptor_, counters_),
      coalescer_(tun_, context.tun->tcpSegmentation(), context.tun->udpSegmentation()),
      inbound_(context, esp_, events_, counters_, coalescer_),
      outbound_(context, esp_, sockets_, events_, counters_, tun_),
      tunBuffer_(new uint8_t[tunRoom]) {
  if (!epoll_.open() || !kick_.open()) throw os::OpenError(errno, "an event queue", "cannot open");
  watch(kick_.get(), tagOf(Source::kick));
  watch(tunDescriptor_, tagOf(Source::tun));
  // The IKE port is received by the first worker only; the others have copies of its descriptors' numbers nowhere.
  for (size_t i = 0; i < sockets_.ike.size() && queue == 0; i++)
    watch(sockets_.ike[i].descriptor(), tagOf(Source::ike, i));
  for (size_t i = 0; i < sockets_.natt.size(); i++) watch(sockets_.natt[i].descriptor(), tagOf(Source::natt, i));
  for (size_t i = 0; i < sockets_.esp.size(); i++) watch(sockets_.esp[i].descriptor(), tagOf(Source::esp, i));
}

void Worker::watch(int descriptor, uint64_t tag) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = tag;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, descriptor, &event) != 0)
    throw os::OpenError(errno, "an event queue", "cannot add to");
}

void Worker::start() {
  // Signals are the main thread's.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void Worker::stop() {
  const uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(kick_.get(), &one, sizeof one);
  if (thread_.joinable()) thread_.join();
}

void Worker::run() {
  pthread_setname_np(pthread_self(), "gatehouse-esp");
  Moderation::prepareThread();
  esp::EpochDomain::Reader reader(context_.epochs);
  std::array<epoll_event, 16> ready;
  while (!context_.stopping.load(std::memory_order_acquire)) {
    const int count = ::epoll_wait(epoll_.get(), ready.data(), static_cast<int>(ready.size()), -1);
    const uint64_t now = milliseconds();
    for (int i = 0; i < count; i++) {
      const uint64_t tag = ready[static_cast<size_t>(i)].data.u64;
      if (tag == tagOf(Source::kick)) continue;
      // An epoch for each batch, so that what was removed is soon destroyed.
      const esp::EpochDomain::Guard guard(reader);
      if (tag == tagOf(Source::tun)) {
        // Somebody deleted the device, or its namespace: it would be ready, and fail, for ever.
        if ((ready[static_cast<size_t>(i)].events & (EPOLLERR | EPOLLHUP)) != 0) {
          ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, tunDescriptor_, nullptr);
          counters_.add(Counter::tunGone);
          continue;
        }
        readTun();
      } else {
        receive(tag, now);
      }
    }
    if (events_.takePushed()) context_.wake();
    moderation_.pauseIfDue();
  }
}

void Worker::receive(uint64_t tag, uint64_t now) {
  const auto source = static_cast<Source>(tag >> 32);
  const size_t index = tag & 0xFFFFFFFF;
  const os::Socket& socket = source == Source::ike    ? sockets_.ike[index]
                             : source == Source::natt ? sockets_.natt[index]
                                                      : sockets_.esp[index];
  const Arrival arrival = source == Source::ike    ? Arrival::ikePort
                          : source == Source::natt ? Arrival::nattPort
                                                   : Arrival::protocol50;
  const unsigned count = batch_.receive(socket);
  for (unsigned i = 0; i < count; i++) inbound_.datagram(batch_[i], arrival, now);
  inbound_.finish();
}

void Worker::readTun() {
  bool small = true;
  unsigned count = 0;
  for (; count < tunBudget; count++) {
    const ssize_t length = ::read(tunDescriptor_, tunBuffer_.get(), tunRoom);
    if (length < static_cast<ssize_t>(sizeof(VirtioHeader))) break;
    VirtioHeader header;
    std::memcpy(&header, tunBuffer_.get(), sizeof header);
    small = small && length <= smallRoom;
    outbound_.fromTun(header, tunBuffer_.get() + sizeof header, static_cast<size_t>(length) - sizeof header);
  }
  outbound_.flush();
  // With the budget used up more is there already.
  moderation_.turn(count, small && count < tunBudget);
}

}  // namespace gatehouse::pipeline
