// FDSTORE=1 puts, FDSTOREREMOVE=1 removes, and LISTEN_FDS with LISTEN_FDNAMES gives back at the next start. The store can't be asked what it has, so that
// what this process was given is remembered here; a process gets it once, whoever asks first.
#include "holder/systemd.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <set>
#include <system_error>

#include "holder/message.h"

namespace gatehouse::holder {

namespace {

/// The first descriptor that systemd passes (sd_listen_fds(3): SD_LISTEN_FDS_START).
constexpr int firstPassed = 3;

struct Given {
  std::mutex mutex;
  bool looked = false;
  std::map<std::string, os::File> files;
  /// Put by this process, so that `releaseAll` knows them.
  std::set<std::string> put;
};

Given& given() {
  static Given all;
  return all;
}

long numberOf(const char* text) { return text == nullptr ? -1 : std::strtol(text, nullptr, 10); }

/// Names are those that we gave; a socket unit's (`unknown`, or with other characters) are left alone.
void look(Given& all) {
  if (all.looked) return;
  all.looked = true;
  if (numberOf(std::getenv("LISTEN_PID")) != ::getpid()) return;
  const long count = numberOf(std::getenv("LISTEN_FDS"));
  const char* names = std::getenv("LISTEN_FDNAMES");
  std::string_view rest = names == nullptr ? "" : names;
  for (int i = 0; i < count; ++i) {
    const std::size_t end = std::min(rest.find(':'), rest.size());
    const std::string name(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const int descriptor = firstPassed + i;
    ::fcntl(descriptor, F_SETFD, FD_CLOEXEC);
    if (validName(name)) all.files.insert_or_assign(name, os::File(descriptor));
  }
  // Programs that we start are not to believe that this is theirs.
  ::unsetenv("LISTEN_PID");
  ::unsetenv("LISTEN_FDS");
  ::unsetenv("LISTEN_FDNAMES");
}

// Waits where os::notifyManager would not: a descriptor that was not taken is a session lost later.
bool notify(const std::string& text, const std::vector<int>& descriptors) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::size_t length = path == nullptr ? 0 : std::strlen(path);
  if (length == 0 || length >= sizeof address.sun_path) {
    errno = ENOTCONN;
    return false;
  }
  std::memcpy(address.sun_path, path, length);
  // An abstract socket is written with an at sign.
  if (address.sun_path[0] == '@') address.sun_path[0] = '\0';
  const os::File socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length);
  return socket.open() && ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0 &&
         sendMessage(socket.get(), text, descriptors, 0);
}

void tell(const std::string& text, const std::vector<int>& descriptors) {
  if (!notify(text, descriptors)) throw std::system_error(errno, std::generic_category(), "systemd's descriptor store");
}

class SystemdStore final : public Holder {
 public:
  SystemdStore() {
    if (std::getenv("NOTIFY_SOCKET") == nullptr)
      throw std::system_error(ENOTCONN, std::generic_category(),
                              "systemd's descriptor store: NOTIFY_SOCKET is not set");
    const std::lock_guard lock(given().mutex);
    look(given());
  }

  void put(std::string_view name, int descriptor) override {
    if (!validName(name)) throw std::system_error(EINVAL, std::generic_category(), "a name for a descriptor");
    const std::lock_guard lock(given().mutex);
    const std::string text(name);
    if (given().files.erase(text) + given().put.erase(text) > 0) tell("FDSTOREREMOVE=1\nFDNAME=" + text, {});
    tell("FDSTORE=1\nFDPOLL=0\nFDNAME=" + text, {descriptor});
    given().put.insert(text);
  }

  void remove(std::string_view name) override {
    const std::lock_guard lock(given().mutex);
    const std::string text(name);
    if (given().files.erase(text) + given().put.erase(text) > 0) tell("FDSTOREREMOVE=1\nFDNAME=" + text, {});
  }

  std::vector<Held> list() override {
    const std::lock_guard lock(given().mutex);
    std::vector<Held> all;
    for (const auto& [name, file] : given().files) {
      os::File copy(::fcntl(file.get(), F_DUPFD_CLOEXEC, 0));
      if (!copy.open()) throw std::system_error(errno, std::generic_category(), "a descriptor from systemd's store");
      all.push_back({name, std::move(copy)});
    }
    return all;
  }

  void releaseAll() override {
    const std::lock_guard lock(given().mutex);
    for (const auto& [name, file] : given().files) tell("FDSTOREREMOVE=1\nFDNAME=" + name, {});
    for (const std::string& name : given().put) tell("FDSTOREREMOVE=1\nFDNAME=" + name, {});
    given().files.clear();
    given().put.clear();
  }
};

}  // namespace

std::unique_ptr<Holder> openSystemdStore() { return std::make_unique<SystemdStore>(); }

void forgetListenDescriptors() {
  const std::lock_guard lock(given().mutex);
  given().looked = false;
  given().files.clear();
  given().put.clear();
}

}  // namespace gatehouse::holder
