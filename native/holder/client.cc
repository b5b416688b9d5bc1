// The daemon's end of the holding process: one question, one answer, in order.
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <system_error>

#include "holder/holder.h"
#include "holder/message.h"
#include "holder/systemd.h"

namespace gatehouse::holder {

namespace {

/// A holder that answers nothing for so long is dead or stopped; everything it does takes microseconds.
constexpr timeval patience{5, 0};

[[noreturn]] void fail(int number, const std::string& what) {
  throw std::system_error(number, std::generic_category(), what);
}

class Client final : public Holder {
 public:
  explicit Client(const std::string& path) : socket_(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)) {
    if (!socket_.open()) fail(errno, "a Unix socket");
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) fail(ENAMETOOLONG, "the holder's socket " + path);
    std::memcpy(address.sun_path, path.data(), path.size());
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
      fail(errno, "the holder at " + path);
  }

  void put(std::string_view name, int descriptor) override {
    (void)ask("put " + std::string(name), {descriptor}, "ok");
  }

  void remove(std::string_view name) override { (void)ask("remove " + std::string(name), {}, "ok"); }

  void releaseAll() override { (void)ask("release all", {}, "ok"); }

  std::vector<Held> list() override {
    std::vector<Held> all;
    for (;;) {
      Message page = ask("list " + std::to_string(all.size()), {}, "held ");
      const std::size_t before = all.size();
      std::string_view rest = page.text;
      rest.remove_prefix(std::min(rest.find('\n'), rest.size() - 1) + 1);
      for (os::File& file : page.files) {
        const std::size_t end = rest.find('\n');
        if (end == std::string_view::npos) fail(EBADMSG, "the holder's list");
        all.push_back({std::string(rest.substr(0, end)), std::move(file)});
        rest.remove_prefix(end + 1);
      }
      std::size_t total = 0;
      const char* digits = page.text.data() + std::strlen("held ");
      std::from_chars(digits, page.text.data() + page.text.size(), total);
      if (all.size() >= total) return all;
      if (all.size() == before) fail(EBADMSG, "the holder's list");
    }
  }

 private:
  Message ask(const std::string& question, const std::vector<int>& descriptors, std::string_view wanted) {
    if (!sendMessage(socket_.get(), question, descriptors, 0)) fail(errno, "the holder, asked to " + question);
    std::optional<Message> answer = receiveMessage(socket_.get(), 0);
    if (!answer) fail(errno == 0 ? ECONNRESET : errno, "the holder, asked to " + question);
    if (answer->text.rfind(wanted, 0) != 0 || answer->truncated)
      fail(EPROTO, "the holder, asked to " + question + ": " + answer->text);
    return std::move(*answer);
  }

  os::File socket_;
};

}  // namespace

bool validName(std::string_view name) {
  if (name.empty() || name.size() > 64) return false;
  for (const char c : name) {
    if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-') return false;
  }
  return true;
}

std::unique_ptr<Holder> openHolder(const std::string& where) {
  if (where == systemdStore) return openSystemdStore();
  return std::make_unique<Client>(where);
}

}  // namespace gatehouse::holder
