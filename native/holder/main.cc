// gatehouse-holder --socket PATH [--seconds N] [-- PROGRAM ARGUMENTS]: the process that holds descriptors while the daemon is gone. Returns once it listens; what
// goes on is a child in a session of its own, which signals to the daemon's process group don't reach. Where nobody came back it becomes the program, which takes
// away what outlives descriptors.
#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "holder/server.h"

namespace {

constexpr int usageError = 2;

int usage() {
  std::fputs("usage: gatehouse-holder --socket PATH [--seconds 1..86400] [-- PROGRAM ARGUMENTS]\n", stderr);
  return usageError;
}

/// Standard streams belong to whoever started us.
void leaveStreams() {
  const int nowhere = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int descriptor = 0; descriptor <= 2; ++descriptor) ::dup2(nowhere, descriptor);
  if (nowhere > 2) ::close(nowhere);
}

}  // namespace

int main(int argc, char** argv) {
  std::string path;
  long seconds = 120;
  char** afterwards = nullptr;
  for (int i = 1; i < argc; i += 2) {
    if (i + 1 >= argc) return usage();
    if (std::strcmp(argv[i], "--") == 0) {
      afterwards = argv + i + 1;
      break;
    }
    if (std::strcmp(argv[i], "--socket") == 0) {
      path = argv[i + 1];
    } else if (std::strcmp(argv[i], "--seconds") == 0) {
      seconds = std::strtol(argv[i + 1], nullptr, 10);
    } else {
      return usage();
    }
  }
  if (path.empty() || path.front() != '/' || seconds < 1 || seconds > 86400) return usage();
  // What else was open in the daemon is not ours: a socket kept by chance would keep its port for ever.
  ::close_range(3, ~0U, 0);
  // Nobody reads the journal's key out of our memory or core.
  ::prctl(PR_SET_DUMPABLE, 0);
  ::signal(SIGPIPE, SIG_IGN);
  try {
    gatehouse::holder::Bounds bounds;
    bounds.patience = std::chrono::seconds(seconds);
    std::optional<gatehouse::holder::Server> server(std::in_place, path, bounds);
    const pid_t child = ::fork();
    if (child < 0) throw std::system_error(errno, std::generic_category(), "fork");
    // Not through destructors: the socket is the child's now.
    if (child > 0) ::_exit(0);
    ::setsid();
    if (::chdir("/") != 0) return 1;
    leaveStreams();
    server->run();
    const bool inVain = server->inVain();
    server.reset();
    if (!inVain || afterwards == nullptr) return 0;
    ::execv(afterwards[0], afterwards);
    return 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "gatehouse-holder: %s\n", error.what());
    return 1;
  }
}
