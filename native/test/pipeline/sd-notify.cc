// A service manager of our own: a Unix datagram socket that reads what systemd would.
#include "linux/sd-notify.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "linux/file.h"
#include "test/test.h"

namespace {

using gatehouse::os::File;
using gatehouse::os::notifyManager;

/// Bound to an abstract name that the kernel chose.
struct Manager {
  File socket{::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  std::string name;

  Manager() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    CHECK(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address.sun_family) == 0);
    socklen_t length = sizeof address;
    CHECK(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &length) == 0);
    name = std::string(address.sun_path, length - sizeof address.sun_family);
    name[0] = '@';
  }

  /// The text, and the descriptors that came with it.
  std::string receive(std::array<int, 4>& descriptors, std::size_t& count) const {
    std::array<char, 256> text{};
    alignas(cmsghdr) std::array<char, 256> control{};
    iovec vector{.iov_base = text.data(), .iov_len = text.size()};
    msghdr message{};
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const auto got = ::recvmsg(socket.get(), &message, MSG_CMSG_CLOEXEC);
    count = 0;
    if (const cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr) {
      count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      std::memcpy(descriptors.data(), CMSG_DATA(header), count * sizeof(int));
    }
    return got < 0 ? "nothing" : std::string(text.data(), static_cast<std::size_t>(got));
  }
};

}  // namespace

TEST("sd-notify: assignments reach the manager at an abstract name") {
  const Manager manager;
  std::array<int, 4> descriptors{};
  std::size_t count = 0;
  CHECK_EQUAL(notifyManager(manager.name, "READY=1\nSTATUS=up"), std::string());
  CHECK_EQUAL(manager.receive(descriptors, count), std::string("READY=1\nSTATUS=up"));
  CHECK_EQUAL(count, std::size_t{0});
}

TEST("sd-notify: descriptors go with the message and are the same files") {
  const Manager manager;
  std::array<int, 2> pipe{};
  CHECK(::pipe2(pipe.data(), O_CLOEXEC) == 0);
  const File reader(pipe[0]);
  const File writer(pipe[1]);
  std::array<int, 4> descriptors{};
  std::size_t count = 0;
  CHECK_EQUAL(notifyManager(manager.name, "FDSTORE=1\nFDNAME=ike", pipe), std::string());
  CHECK_EQUAL(manager.receive(descriptors, count), std::string("FDSTORE=1\nFDNAME=ike"));
  CHECK_EQUAL(count, std::size_t{2});
  const File first(descriptors[0]);
  const File second(descriptors[1]);
  struct stat ours {};
  struct stat theirs {};
  CHECK(::fstat(reader.get(), &ours) == 0 && ::fstat(first.get(), &theirs) == 0);
  CHECK_EQUAL(ours.st_ino, theirs.st_ino);
}

TEST("sd-notify: says why nothing was sent") {
  const auto odd = std::string("NOTIFY_SOCKET is neither a path nor an abstract name");
  CHECK_EQUAL(notifyManager("", "READY=1"), odd);
  CHECK_EQUAL(notifyManager("relative", "READY=1"), odd);
  CHECK_EQUAL(notifyManager(std::string(200, '/'), "READY=1"), odd);
  CHECK_EQUAL(notifyManager("/nowhere/notify", "READY=1"), std::string("No such file or directory"));
}

TEST("sd-notify: a manager that does not read is not waited for") {
  const Manager manager;
  std::string refused;
  for (int i = 0; i < 100'000 && refused.empty(); i++) refused = notifyManager(manager.name, "WATCHDOG=1");
  CHECK_EQUAL(refused, std::string("Resource temporarily unavailable"));
}
