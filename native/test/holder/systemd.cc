// systemd's store, played by a socket of the test: what is said to it, and what comes back at the next start.
#include "holder/systemd.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <system_error>

#include "holder/message.h"
#include "test/test.h"

using namespace gatehouse;
using namespace gatehouse::holder;

namespace {

/// A service manager on an abstract socket, and the environment that it gives.
class Manager {
 public:
  Manager() {
    const os::File socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    // Away from the numbers that LISTEN_FDS is about.
    socket_ = os::File(::fcntl(socket.get(), F_DUPFD_CLOEXEC, 200));
    const std::string name = "@gh-notify-" + std::to_string(::getpid());
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    address.sun_path[0] = '\0';
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    CHECK_EQUAL(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), size), 0);
    ::setenv("NOTIFY_SOCKET", name.c_str(), 1);
    forgetListenDescriptors();
  }
  ~Manager() {
    ::unsetenv("NOTIFY_SOCKET");
    forgetListenDescriptors();
  }
  [[nodiscard]] std::optional<Message> heard() const { return receiveMessage(socket_.get(), 0); }
  [[nodiscard]] std::string said() const {
    const auto message = heard();
    return message ? message->text + (message->files.empty() ? "" : " +" + std::to_string(message->files.size())) : "";
  }

 private:
  os::File socket_;
};

}  // namespace

TEST("systemd: a put is FDSTORE with the name and without polling; a second one takes the first's place") {
  const Manager manager;
  const auto store = openHolder(std::string(systemdStore));
  const os::File file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  store->put("session-7", file.get());
  CHECK_EQUAL(manager.said(), std::string("FDSTORE=1\nFDPOLL=0\nFDNAME=session-7 +1"));
  store->put("session-7", file.get());
  CHECK_EQUAL(manager.said(), std::string("FDSTOREREMOVE=1\nFDNAME=session-7"));
  CHECK_EQUAL(manager.said(), std::string("FDSTORE=1\nFDPOLL=0\nFDNAME=session-7 +1"));
  store->remove("session-7");
  CHECK_EQUAL(manager.said(), std::string("FDSTOREREMOVE=1\nFDNAME=session-7"));
  store->remove("session-7");
  CHECK_EQUAL(manager.said(), std::string());
  CHECK_THROWS(store->put("a:b", file.get()), std::system_error);
}

TEST("systemd: what is held comes by LISTEN_FDS, to every client of the process, and the environment is cleared") {
  const Manager manager;
  // Descriptors 3 and 4 may be the test's own: they are put aside while it runs.
  std::array<int, 2> aside{};
  for (std::size_t i = 0; i < aside.size(); ++i) {
    aside[i] = ::fcntl(3 + static_cast<int>(i), F_DUPFD_CLOEXEC, 100);
    os::File opened(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const os::File null(::fcntl(opened.get(), F_DUPFD_CLOEXEC, 100));
    opened.close();
    ::dup2(null.get(), 3 + static_cast<int>(i));
  }
  ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
  ::setenv("LISTEN_FDS", "2", 1);
  ::setenv("LISTEN_FDNAMES", "ike:journal-key", 1);
  {
    const auto first = openHolder(std::string(systemdStore));
    const auto second = openHolder(std::string(systemdStore));
    for (const auto* holder : {&first, &second}) {
      const auto all = (*holder)->list();
      CHECK_EQUAL(all.size(), std::size_t{2});
      CHECK_EQUAL(all.front().name, std::string("ike"));
      CHECK_EQUAL(all.back().name, std::string("journal-key"));
      CHECK_EQUAL(::fcntl(all.front().file.get(), F_GETFD), FD_CLOEXEC);
    }
    CHECK(std::getenv("LISTEN_FDS") == nullptr);
    first->remove("ike");
    CHECK_EQUAL(manager.said(), std::string("FDSTOREREMOVE=1\nFDNAME=ike"));
    CHECK_EQUAL(second->list().size(), std::size_t{1});
    second->releaseAll();
    CHECK_EQUAL(manager.said(), std::string("FDSTOREREMOVE=1\nFDNAME=journal-key"));
    CHECK_EQUAL(first->list().size(), std::size_t{0});
  }
  for (std::size_t i = 0; i < aside.size(); ++i) {
    if (aside[i] < 0) continue;
    ::dup3(aside[i], 3 + static_cast<int>(i), O_CLOEXEC);
    ::close(aside[i]);
  }
}

TEST("systemd: descriptors that were meant for another process are left alone") {
  const Manager manager;
  ::setenv("LISTEN_PID", "1", 1);
  ::setenv("LISTEN_FDS", "1", 1);
  ::setenv("LISTEN_FDNAMES", "ike", 1);
  const auto store = openHolder(std::string(systemdStore));
  CHECK_EQUAL(store->list().size(), std::size_t{0});
  ::unsetenv("LISTEN_PID");
  ::unsetenv("LISTEN_FDS");
  ::unsetenv("LISTEN_FDNAMES");
}

TEST("systemd: without NOTIFY_SOCKET there is no store") {
  ::unsetenv("NOTIFY_SOCKET");
  CHECK_THROWS(openHolder(std::string(systemdStore)), std::system_error);
}
