#include "kernel/plane.h"

#include "crypto/wipe.h"
#include "kernel/thread.h"

namespace gatehouse::kernel {
namespace {

using Octets = std::vector<uint8_t>;

Octets copyOf(std::span<const uint8_t> octets) { return {octets.begin(), octets.end()}; }

}  // namespace

KernelPlane::KernelPlane(const KernelOptions& options, std::function<void()> onWake)
    : thread_(std::make_unique<Thread>(options, std::move(onWake))) {
  thread_->start();
}

KernelPlane::~KernelPlane() { close(); }

uint16_t KernelPlane::ikePort() const { return thread_ ? thread_->ikePort : 0; }
uint16_t KernelPlane::nattPort() const { return thread_ ? thread_->nattPort : 0; }
std::string KernelPlane::description() const { return thread_ ? thread_->description() : "closed"; }

void KernelPlane::apply(uint32_t job, std::span<const uint8_t> list) {
  if (!thread_) return;
  // Shared, since a function that is kept must be copyable; the keys in it are wiped with the last owner.
  auto kept = std::make_shared<Secret>(list);
  thread_->post([thread = thread_.get(), job, kept] { thread->apply(job, kept->octets()); });
}

void KernelPlane::sendIke(const Path& path, std::span<const uint8_t> message) {
  if (thread_) thread_->post([thread = thread_.get(), path, kept = copyOf(message)] { thread->sendIke(path, kept); });
}

void KernelPlane::sendKeepalive(const Path& path) {
  if (thread_) thread_->post([thread = thread_.get(), path] { thread->sendKeepalive(path); });
}

void KernelPlane::sendControl(uint32_t peer, uint16_t localPort, uint16_t remotePort,
                              std::span<const uint8_t> message) {
  if (!thread_) return;
  thread_->post([thread = thread_.get(), peer, localPort, remotePort, kept = copyOf(message)] {
    thread->sendControl(peer, localPort, remotePort, kept);
  });
}

void KernelPlane::sendPpp(uint32_t session, uint16_t protocol, std::span<const uint8_t> payload) {
  if (!thread_) return;
  thread_->post([thread = thread_.get(), session, protocol, kept = copyOf(payload)] {
    thread->sendPpp(session, protocol, kept);
  });
}

size_t KernelPlane::drain(std::span<uint8_t> to, bool& more) {
  more = false;
  return thread_ ? thread_->drain(to, more) : 0;
}

std::vector<uint8_t> KernelPlane::activity() { return thread_ ? thread_->directory.activity() : Octets{}; }

// A name that is counted here and in the kernel is one counter.
std::vector<std::pair<std::string, uint64_t>> KernelPlane::counters() {
  std::vector<std::pair<std::string, uint64_t>> all;
  if (!thread_) return all;
  for (size_t i = 0; i < pipeline::counterNames.size(); i++)
    all.emplace_back(std::string(pipeline::counterNames[i]), thread_->counted().get(i));
  std::vector<std::pair<std::string, uint64_t>> kernels;
  thread_->directory.counters(kernels);
  for (auto& [name, value] : kernels) {
    bool known = false;
    for (auto& [other, sum] : all) {
      if (other != name) continue;
      sum += value;
      known = true;
    }
    if (!known) all.emplace_back(std::move(name), value);
  }
  return all;
}

void KernelPlane::forgetTheRest() {
  if (thread_) thread_->post([thread = thread_.get()] { thread->forgetTheRest(); });
}

void KernelPlane::close() {
  if (!thread_) return;
  thread_->stop();
  thread_.reset();
}

}  // namespace gatehouse::kernel
