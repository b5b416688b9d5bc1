#include "pipeline/datagrams.h"

#include <algorithm>
#include <functional>

namespace gatehouse::pipeline {

void Datagrams::put(const os::Socket& socket, const Path& path, std::span<const uint8_t> head,
                    std::span<const uint8_t> message) {
  if (waiting_.size() == most) flush();
  std::vector<uint8_t> octets;
  octets.reserve(head.size() + message.size());
  octets.insert(octets.end(), head.begin(), head.end());
  octets.insert(octets.end(), message.begin(), message.end());
  waiting_.push_back({&socket, path, std::move(octets)});
}

bool Datagrams::holdsFor(const Address& remote) const {
  return std::any_of(waiting_.begin(), waiting_.end(),
                     [&](const Waiting& one) { return one.path.remote.address == remote; });
}

void Datagrams::flush() {
  std::stable_sort(waiting_.begin(), waiting_.end(), [](const Waiting& a, const Waiting& b) {
    return std::less<const os::Socket*>()(a.socket, b.socket);
  });
  for (size_t from = 0; from < waiting_.size();) {
    const os::Socket* socket = waiting_[from].socket;
    for (; from < waiting_.size() && waiting_[from].socket == socket; from++) {
      const Waiting& one = waiting_[from];
      items_.push_back({one.octets.data(), static_cast<uint32_t>(one.octets.size()), 0, &one.path});
    }
    const os::SendResult result = os::sendAll(*socket, items_.data(), items_.size());
    if (result.failed != 0) counters_.add(Counter::dropSend, result.failed);
    items_.clear();
  }
  waiting_.clear();
}

}  // namespace gatehouse::pipeline
