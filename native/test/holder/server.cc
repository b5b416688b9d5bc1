// The holding process against its daemon, against whoever breaks its protocol, and with the daemon gone.
#include "holder/server.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <thread>

#include "holder/holder.h"
#include "test/test.h"

using namespace gatehouse;
using namespace gatehouse::holder;
using namespace std::chrono_literals;

namespace {

/// A folder of its own, gone at the end.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "gh-holder-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  [[nodiscard]] std::string socket() const { return (path_ / "holder.sock").string(); }

 private:
  std::filesystem::path path_;
};

/// A server on a thread of its own until it is over.
class Running {
 public:
  explicit Running(const std::string& path, Bounds bounds = {}) : server_(path, bounds), thread_([this] { loop(); }) {}
  ~Running() {
    stop_ = true;
    thread_.join();
  }
  [[nodiscard]] bool over() const { return over_; }
  bool endsWithin(std::chrono::milliseconds limit) const {
    const auto until = std::chrono::steady_clock::now() + limit;
    while (!over_ && std::chrono::steady_clock::now() < until) std::this_thread::sleep_for(2ms);
    return over_;
  }

 private:
  void loop() {
    while (!stop_ && server_.turn(5ms)) {
    }
    over_ = !stop_;
  }

  Server server_;
  std::atomic<bool> stop_ = false;
  std::atomic<bool> over_ = false;
  std::thread thread_;
};

struct Pipe {
  os::File read;
  os::File write;
  Pipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) std::abort();
    read = os::File(ends[0]);
    write = os::File(ends[1]);
  }
  /// Nobody has the other end any more.
  [[nodiscard]] bool ended() const {
    char octet = 0;
    return ::read(read.get(), &octet, 1) == 0;
  }
  bool endsWithin(std::chrono::milliseconds limit) const {
    const auto until = std::chrono::steady_clock::now() + limit;
    while (!ended() && std::chrono::steady_clock::now() < until) std::this_thread::sleep_for(2ms);
    return ended();
  }
};

os::File connectTo(const std::string& path) {
  os::File socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  const timeval patience{5, 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  CHECK_EQUAL(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  return socket;
}

/// The answer to one raw message, or `(closed)`.
std::string asked(int socket, const std::string& text, const std::vector<int>& descriptors = {}) {
  if (!sendMessage(socket, text, descriptors, 0)) return "(closed)";
  const auto answer = receiveMessage(socket, 0);
  return answer ? answer->text : "(closed)";
}

std::map<std::string, os::File> byName(std::vector<Held> all) {
  std::map<std::string, os::File> files;
  for (Held& held : all) files.insert_or_assign(held.name, std::move(held.file));
  return files;
}

}  // namespace

TEST("holder: what is put comes back to the next daemon, open as it was") {
  const Folder folder;
  const Running server(folder.socket());
  Pipe pipe;
  {
    const auto first = openHolder(folder.socket());
    first->put("session-7", pipe.write.get());
    pipe.write.close();
  }
  CHECK(!pipe.ended());
  const auto second = openHolder(folder.socket());
  auto files = byName(second->list());
  CHECK_EQUAL(files.size(), std::size_t{1});
  CHECK_EQUAL(::write(files["session-7"].get(), "x", 1), ssize_t{1});
  CHECK_EQUAL(::fcntl(files["session-7"].get(), F_GETFD), FD_CLOEXEC);
  char octet = 0;
  CHECK_EQUAL(::read(pipe.read.get(), &octet, 1), ssize_t{1});
  second->remove("session-7");
  files.clear();
  CHECK(pipe.endsWithin(1s));
}

TEST("holder: a name holds one descriptor, the last") {
  const Folder folder;
  const Running server(folder.socket());
  Pipe first;
  Pipe second;
  const auto holder = openHolder(folder.socket());
  holder->put("esp", first.write.get());
  holder->put("esp", second.write.get());
  first.write.close();
  second.write.close();
  CHECK(first.endsWithin(1s));
  CHECK(!second.ended());
  CHECK_EQUAL(holder->list().size(), std::size_t{1});
  holder->remove("nothing-of-the-kind");
}

TEST("holder: three hundred come back, by pages") {
  const Folder folder;
  const Running server(folder.socket());
  const Pipe pipe;
  const auto holder = openHolder(folder.socket());
  constexpr int count = 300;
  for (int i = 0; i < count; ++i) holder->put("unit-" + std::to_string(i), pipe.write.get());
  const auto files = byName(holder->list());
  CHECK_EQUAL(files.size(), std::size_t{count});
  for (const auto& [name, file] : files) CHECK(::fcntl(file.get(), F_GETFD) == FD_CLOEXEC);
}

TEST("holder: release all lets go of everything and ends") {
  const Folder folder;
  Running server(folder.socket());
  Pipe pipe;
  const auto holder = openHolder(folder.socket());
  holder->put("ike", pipe.write.get());
  pipe.write.close();
  holder->releaseAll();
  CHECK(pipe.endsWithin(1s));
  CHECK(server.endsWithin(1s));
  CHECK_THROWS(holder->put("ike", pipe.read.get()), std::system_error);
}

TEST("holder: with nobody there for as long as it waits it ends; a daemon that comes back in time stops the clock") {
  const Folder folder;
  Bounds bounds;
  bounds.patience = 200ms;
  Running server(folder.socket(), bounds);
  Pipe pipe;
  {
    const auto holder = openHolder(folder.socket());
    holder->put("natt-0", pipe.write.get());
    pipe.write.close();
  }
  std::this_thread::sleep_for(80ms);
  {
    const auto again = openHolder(folder.socket());
    std::this_thread::sleep_for(400ms);
    CHECK(!server.over());
    CHECK(!pipe.ended());
  }
  CHECK(server.endsWithin(2s));
}

TEST("holder: says how many daemons are there and how much is held") {
  const Folder folder;
  const Running server(folder.socket());
  const Pipe pipe;
  const auto holder = openHolder(folder.socket());
  holder->put("ike", pipe.write.get());
  const os::File second = connectTo(folder.socket());
  CHECK_EQUAL(asked(second.get(), "status"), std::string("clients 2 held 1"));
}

TEST("holder: its socket is its user's alone, and a living one's place is not taken") {
  const Folder folder;
  const Running server(folder.socket());
  struct stat status {};
  CHECK_EQUAL(::stat(folder.socket().c_str(), &status), 0);
  CHECK_EQUAL(status.st_mode & 0777U, mode_t{0600});
  CHECK_THROWS(Server(folder.socket(), {}), std::system_error);
  (void)openHolder(folder.socket());
}

TEST("holder: a dead one's socket gives way, anything else does not") {
  const Folder folder;
  {
    const os::File dead(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = folder.socket();
    std::memcpy(address.sun_path, path.data(), path.size());
    CHECK_EQUAL(::bind(dead.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  { const Running server(folder.socket()); }
  const os::File file(::open(folder.socket().c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  CHECK_THROWS(Server(folder.socket(), {}), std::system_error);
}

TEST("holder: names with other characters are refused, and nothing is held") {
  const Folder folder;
  const Running server(folder.socket());
  const Pipe pipe;
  const os::File client = connectTo(folder.socket());
  for (const std::string& name :
       {std::string(), std::string("../x"), std::string("a b"), std::string("A"), std::string("a\nb"),
        std::string("a:b"), std::string(65, 'a'), std::string("a\0b", 3)}) {
    CHECK_EQUAL(asked(client.get(), "put " + name, {pipe.write.get()}),
                std::string("error a name is 1 to 64 of a-z, 0-9 and the hyphen"));
  }
  CHECK_EQUAL(asked(client.get(), "status"), std::string("clients 1 held 0"));
  CHECK_EQUAL(asked(client.get(), "put " + std::string(64, 'a'), {pipe.write.get()}), std::string("ok"));
}

TEST("holder: a put without a descriptor, or with two, is refused") {
  const Folder folder;
  const Running server(folder.socket());
  const Pipe pipe;
  const os::File client = connectTo(folder.socket());
  CHECK_EQUAL(asked(client.get(), "put ike"), std::string("error put takes one descriptor"));
  CHECK_EQUAL(asked(client.get(), "put ike", {pipe.read.get(), pipe.write.get()}),
              std::string("error put takes one descriptor"));
  CHECK_EQUAL(asked(client.get(), "status"), std::string("clients 1 held 0"));
}

TEST("holder: descriptors with a question that takes none are closed, and so is who asked") {
  const Folder folder;
  const Running server(folder.socket());
  Pipe pipe;
  const os::File client = connectTo(folder.socket());
  CHECK_EQUAL(asked(client.get(), "status", {pipe.write.get()}), std::string("error only put takes a descriptor"));
  pipe.write.close();
  CHECK(pipe.endsWithin(1s));
  CHECK_EQUAL(asked(client.get(), "status"), std::string("(closed)"));
}

TEST("holder: more descriptors or octets than a question has leave nothing behind") {
  const Folder folder;
  const Running server(folder.socket());
  Pipe pipe;
  {
    const os::File client = connectTo(folder.socket());
    // Past what sendMessage allows, as a hostile client would.
    constexpr std::size_t count = 200;
    std::array<int, count> many{};
    many.fill(pipe.write.get());
    union {
      cmsghdr header;
      std::array<char, CMSG_SPACE(sizeof(int) * count)> octets;
    } control{};
    std::string text = "put ike";
    iovec part{text.data(), text.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = &control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof many);
    std::memcpy(CMSG_DATA(header), many.data(), sizeof many);
    CHECK(::sendmsg(client.get(), &message, MSG_NOSIGNAL) > 0);
    const auto answer = receiveMessage(client.get(), 0);
    CHECK(answer && answer->text.starts_with("error a message of more"));
  }
  {
    const os::File client = connectTo(folder.socket());
    const std::string long_(20'000, 'x');
    CHECK(::send(client.get(), long_.data(), long_.size(), MSG_NOSIGNAL) > 0);
    const auto answer = receiveMessage(client.get(), 0);
    CHECK(answer && answer->text.starts_with("error a message of more"));
  }
  pipe.write.close();
  CHECK(pipe.endsWithin(1s));
}

TEST("holder: nonsense is answered and its sender closed; the others stay") {
  const Folder folder;
  const Running server(folder.socket());
  const Pipe pipe;
  const auto daemon = openHolder(folder.socket());
  daemon->put("ike", pipe.write.get());
  for (const std::string& text :
       {std::string("hello"), std::string("list x"), std::string("list -1"), std::string("list 1 "),
        std::string("release"), std::string("\0\0\0", 3), std::string(" put ike")}) {
    const os::File client = connectTo(folder.socket());
    CHECK(asked(client.get(), text).starts_with("error "));
    CHECK_EQUAL(asked(client.get(), "status"), std::string("(closed)"));
  }
  const os::File client = connectTo(folder.socket());
  CHECK_EQUAL(asked(client.get(), "list 99999999999999"), std::string("held 1\n"));
  CHECK_EQUAL(daemon->list().size(), std::size_t{1});
}

TEST("holder: bounds of descriptors and of clients") {
  const Folder folder;
  Bounds bounds;
  bounds.held = 3;
  bounds.clients = 2;
  const Running server(folder.socket(), bounds);
  const Pipe pipe;
  const auto holder = openHolder(folder.socket());
  for (const char* name : {"a", "b", "c"}) holder->put(name, pipe.write.get());
  CHECK_THROWS(holder->put("d", pipe.write.get()), std::system_error);
  holder->put("c", pipe.write.get());
  auto second = std::make_unique<os::File>(connectTo(folder.socket()));
  CHECK_EQUAL(asked(second->get(), "status"), std::string("clients 2 held 3"));
  // The third is served when another goes.
  const os::File third = connectTo(folder.socket());
  CHECK(sendMessage(third.get(), "status", {}, 0));
  std::this_thread::sleep_for(30ms);
  CHECK(!receiveMessage(third.get(), MSG_DONTWAIT));
  second.reset();
  const auto answer = receiveMessage(third.get(), 0);
  CHECK(answer && answer->text == "clients 2 held 3");
}

TEST("holder: who reads no answers is closed, and holds nobody up") {
  const Folder folder;
  const Running server(folder.socket());
  const os::File client = connectTo(folder.socket());
  const timeval brief{0, 100'000};
  ::setsockopt(client.get(), SOL_SOCKET, SO_SNDTIMEO, &brief, sizeof brief);
  bool refused = false;
  for (int i = 0; i < 100'000 && !refused; ++i) refused = !sendMessage(client.get(), "status", {}, 0);
  CHECK(refused);
  const auto other = openHolder(folder.socket());
  CHECK_EQUAL(other->list().size(), std::size_t{0});
}

TEST("holder: the program listens when it returns, outlives its starter, and ends when told") {
  const Folder folder;
  const std::string command = std::string(GATEHOUSE_HOLDER) + " --socket " + folder.socket() + " --seconds 20";
  CHECK_EQUAL(std::system(command.c_str()), 0);
  Pipe pipe;
  const auto holder = openHolder(folder.socket());
  holder->put("ike", pipe.write.get());
  pipe.write.close();
  CHECK(!pipe.ended());
  holder->releaseAll();
  CHECK(pipe.endsWithin(2s));
  CHECK(std::system((std::string(GATEHOUSE_HOLDER) + " --socket relative 2>/dev/null").c_str()) != 0);
}

TEST("holder: the program that waited in vain becomes what it was told, the one that was told to end does not") {
  const Folder folder;
  const std::string mark = folder.socket() + ".mark";
  const std::string command =
      std::string(GATEHOUSE_HOLDER) + " --socket " + folder.socket() + " --seconds 1 -- /bin/touch " + mark;
  CHECK_EQUAL(std::system(command.c_str()), 0);
  openHolder(folder.socket())->releaseAll();
  std::this_thread::sleep_for(1500ms);
  CHECK(!std::filesystem::exists(mark));
  CHECK_EQUAL(std::system(command.c_str()), 0);
  Pipe pipe;
  openHolder(folder.socket())->put("ike", pipe.write.get());
  pipe.write.close();
  CHECK(pipe.endsWithin(10s));
  for (int i = 0; i < 1000 && !std::filesystem::exists(mark); i++) std::this_thread::sleep_for(10ms);
  CHECK(std::filesystem::exists(mark));
}

TEST("holder: nobody at the path is an error that names it") {
  const Folder folder;
  try {
    (void)openHolder(folder.socket());
    CHECK(false);
  } catch (const std::system_error& error) {
    CHECK_EQUAL(error.code().value(), ENOENT);
    CHECK(std::string(error.what()).find(folder.socket()) != std::string::npos);
  }
}
