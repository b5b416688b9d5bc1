// The table of held descriptors and the questions about it.
#include "holder/server.h"

#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <system_error>

#include "holder/holder.h"

namespace gatehouse::holder {

namespace {

/// Descriptors that the process needs besides those that it holds: its own sockets, and a message's before it is judged.
constexpr std::size_t spare = 128;

[[noreturn]] void fail(int number, const std::string& what) {
  throw std::system_error(number, std::generic_category(), what);
}

sockaddr_un addressOf(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) fail(ENAMETOOLONG, path);
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

const sockaddr* generic(const sockaddr_un& address) { return reinterpret_cast<const sockaddr*>(&address); }

/// Takes away a socket that a dead holder left; one that answers is somebody's.
void makeRoom(const std::string& path) {
  const sockaddr_un address = addressOf(path);
  const os::File probe(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (::connect(probe.get(), generic(address), sizeof address) == 0) fail(EADDRINUSE, path);
  struct stat status {};
  if (errno == ECONNREFUSED && ::lstat(path.c_str(), &status) == 0 && S_ISSOCK(status.st_mode)) ::unlink(path.c_str());
}

os::File listenAt(const std::string& path) {
  makeRoom(path);
  const sockaddr_un address = addressOf(path);
  os::File socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.open()) fail(errno, "a Unix socket");
  const mode_t before = ::umask(0177);
  const int bound = ::bind(socket.get(), generic(address), sizeof address);
  const int number = errno;
  ::umask(before);
  if (bound != 0) fail(number, path);
  if (::listen(socket.get(), 8) != 0) fail(errno, path);
  return socket;
}

/// As many descriptors as the process may have, less the spare ones.
std::size_t room(std::size_t wanted) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return spare;
  const rlimit raised{limit.rlim_max, limit.rlim_max};
  if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) limit.rlim_cur = limit.rlim_max;
  const std::size_t most = static_cast<std::size_t>(limit.rlim_cur);
  return std::min(wanted, most > spare ? most - spare : 0);
}

bool mayAsk(int client) {
  ucred who{};
  socklen_t size = sizeof who;
  if (::getsockopt(client, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0) return false;
  return who.uid == ::geteuid() || who.uid == 0;
}

bool say(int client, std::string_view text) { return sendMessage(client, text, {}, MSG_DONTWAIT); }

}  // namespace

Server::Server(const std::string& path, const Bounds& bounds)
    : path_(path), bounds_(bounds), listening_(listenAt(path)), alone_(Clock::now()) {
  bounds_.held = room(bounds.held);
}

Server::~Server() { ::unlink(path_.c_str()); }

void Server::run() {
  while (turn(std::chrono::milliseconds(1000))) {
  }
}

bool Server::turn(std::chrono::milliseconds wait) {
  std::vector<pollfd> watched;
  // With as many clients as there may be, further ones wait in the kernel.
  const bool open = clients_.size() < bounds_.clients;
  watched.push_back({open ? listening_.get() : -1, POLLIN, 0});
  for (const os::File& client : clients_) watched.push_back({client.get(), POLLIN, 0});
  ::poll(watched.data(), watched.size(), static_cast<int>(wait.count()));
  std::size_t gone = 0;
  for (std::size_t i = 1; i < watched.size() && !over_; ++i) {
    if (watched[i].revents == 0 || serve(watched[i].fd)) continue;
    clients_[i - 1].close();
    ++gone;
  }
  if (gone > 0) {
    std::erase_if(clients_, [](const os::File& client) { return !client.open(); });
    alone_ = Clock::now();
  }
  if (watched[0].revents != 0) accept();
  if (!over_ && clients_.empty() && Clock::now() - alone_ >= bounds_.patience) over_ = inVain_ = true;
  return !over_;
}

void Server::accept() {
  os::File client(::accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!client.open()) return;
  if (mayAsk(client.get())) {
    clients_.push_back(std::move(client));
  } else {
    say(client.get(), "error this holder is somebody else's");
  }
}

bool Server::serve(int client) {
  std::optional<Message> message = receiveMessage(client, MSG_DONTWAIT);
  if (!message) return errno == EAGAIN;
  if (message->truncated) {
    say(client, "error a message of more octets or descriptors than a question has");
    return false;
  }
  return answer(client, *message);
}

bool Server::answer(int client, Message& message) {
  const std::string_view text = message.text;
  const std::size_t space = std::min(text.find(' '), text.size());
  const std::string_view verb = text.substr(0, space);
  const std::string_view rest = text.substr(std::min(space + 1, text.size()));
  if (verb == "put") return put(client, rest, message);
  if (!message.files.empty()) {
    say(client, "error only put takes a descriptor");
    return false;
  }
  if (verb == "remove") {
    const auto found = held_.find(rest);
    if (found != held_.end()) held_.erase(found);
    return say(client, "ok");
  }
  if (verb == "list") return list(client, rest);
  if (text == "status")
    return say(client, "clients " + std::to_string(clients_.size()) + " held " + std::to_string(held_.size()));
  if (text == "release all") {
    held_.clear();
    over_ = true;
    say(client, "ok");
    return false;
  }
  say(client, "error put NAME, remove NAME, list FROM, status and release all are known");
  return false;
}

bool Server::put(int client, std::string_view name, Message& message) {
  if (message.files.size() != 1) return say(client, "error put takes one descriptor");
  if (!validName(name)) return say(client, "error a name is 1 to 64 of a-z, 0-9 and the hyphen");
  const auto found = held_.find(name);
  if (found != held_.end()) {
    found->second = std::move(message.files.front());
  } else if (held_.size() >= bounds_.held) {
    return say(client, "error " + std::to_string(bounds_.held) + " descriptors are held already");
  } else {
    held_.emplace(name, std::move(message.files.front()));
  }
  return say(client, "ok");
}

bool Server::list(int client, std::string_view from) {
  std::size_t first = 0;
  const auto [end, error] = std::from_chars(from.data(), from.data() + from.size(), first);
  if (error != std::errc() || end != from.data() + from.size()) {
    say(client, "error list takes a number");
    return false;
  }
  std::string text = "held " + std::to_string(held_.size()) + "\n";
  std::vector<int> descriptors;
  auto entry = held_.begin();
  std::advance(entry, static_cast<std::ptrdiff_t>(std::min(first, held_.size())));
  for (; entry != held_.end() && descriptors.size() < mostDescriptors; ++entry) {
    text += entry->first + "\n";
    descriptors.push_back(entry->second.get());
  }
  return sendMessage(client, text, descriptors, MSG_DONTWAIT);
}

}  // namespace gatehouse::holder
