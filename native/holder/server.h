// The holding process: names and descriptors in a table, a socket in front of it, a clock that ends it when nobody comes back.
//
// A walk: `accept` looks at who asks (SO_PEERCRED: our own user or root); each message is one question and gets one answer; a client that breaks the
// protocol, or doesn't read its answer, is closed. When the last client goes the clock starts; the next one stops it.
//   put NAME (with one descriptor)   ok | error TEXT
//   remove NAME                      ok
//   list FROM                        held TOTAL, then a line and a descriptor for each from FROM on, 64 at most
//   status                           clients N held M
//   release all                      ok, and the end
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "holder/message.h"
#include "linux/file.h"

namespace gatehouse::holder {

struct Bounds {
  /// Descriptors held at most; less where the process may not have as many.
  std::size_t held = 65536;
  /// Connections at once: a daemon has two.
  std::size_t clients = 16;
  /// How long the last client may be gone.
  std::chrono::milliseconds patience = std::chrono::seconds(120);
};

class Server {
 public:
  /// Listens at `path`, mode 0600, instead of a socket there that nobody answers any more. Throws std::system_error, EADDRINUSE where somebody does.
  Server(const std::string& path, const Bounds& bounds);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Serves until it was told to end or nobody came back.
  void run();
  /// One look at all sockets, waiting `wait` at most. False: it is over.
  bool turn(std::chrono::milliseconds wait);
  /// It is over because nobody came back.
  [[nodiscard]] bool inVain() const { return inVain_; }

 private:
  using Clock = std::chrono::steady_clock;

  void accept();
  /// False: this client is to be closed.
  bool serve(int client);
  bool answer(int client, Message& message);
  bool put(int client, std::string_view name, Message& message);
  bool list(int client, std::string_view from);

  std::string path_;
  Bounds bounds_;
  os::File listening_;
  std::vector<os::File> clients_;
  std::map<std::string, os::File, std::less<>> held_;
  Clock::time_point alone_;
  bool over_ = false;
  bool inVain_ = false;
};

}  // namespace gatehouse::holder
