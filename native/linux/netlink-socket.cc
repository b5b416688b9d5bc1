#include "linux/netlink-socket.h"

#include <linux/netfilter/nfnetlink.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>

#include "crypto/wipe.h"
#include "linux/open-error.h"

namespace gatehouse::os {
namespace {

constexpr size_t align(size_t length) { return (length + 3) & ~size_t{3}; }
constexpr size_t receiveRoom = size_t{256} * 1024;
/// A kernel that does not answer in this time will not; in milliseconds.
constexpr int patience = 5000;

}  // namespace

Message::Message(uint16_t type, uint16_t flags) {
  octets_.reserve(1024);
  nlmsghdr header{};
  header.nlmsg_type = type;
  header.nlmsg_flags = flags;
  append(&header, sizeof header);
}

Message::~Message() {
  if (!octets_.empty()) crypto::wipe(octets_.data(), octets_.size());
}

void Message::append(const void* data, size_t length) {
  const auto* from = static_cast<const uint8_t*>(data);
  if (octets_.size() + length + 8 > octets_.capacity()) {
    // Growing would leave a copy of keys behind.
    std::vector<uint8_t> larger;
    larger.reserve(2 * (octets_.size() + length + 8));
    larger.assign(octets_.begin(), octets_.end());
    crypto::wipe(octets_.data(), octets_.size());
    octets_.swap(larger);
  }
  octets_.insert(octets_.end(), from, from + length);
  finish();
}

void Message::pad() { octets_.resize(align(octets_.size())); }

void Message::finish() {
  const auto length = static_cast<uint32_t>(octets_.size());
  std::memcpy(octets_.data(), &length, sizeof length);
}

void Message::setSequence(uint32_t sequence) {
  std::memcpy(octets_.data() + offsetof(nlmsghdr, nlmsg_seq), &sequence, sizeof sequence);
}

Message& Message::attribute(uint16_t type, const void* data, size_t length) {
  return pieces(type, {{static_cast<const uint8_t*>(data), length}});
}

Message& Message::text(uint16_t type, std::string_view value) {
  const std::string terminated(value);
  return attribute(type, terminated.c_str(), terminated.size() + 1);
}

Message& Message::pieces(uint16_t type, std::initializer_list<std::span<const uint8_t>> parts) {
  pad();
  size_t length = sizeof(nlattr);
  for (const auto& part : parts) length += part.size();
  put(nlattr{static_cast<uint16_t>(length), type});
  for (const auto& part : parts) {
    if (!part.empty()) append(part.data(), part.size());
  }
  pad();
  finish();
  return *this;
}

Message& Message::nest(uint16_t type, const std::function<void(Message&)>& fill) {
  pad();
  const size_t at = octets_.size();
  put(nlattr{0, static_cast<uint16_t>(type | NLA_F_NESTED)});
  fill(*this);
  const auto length = static_cast<uint16_t>(octets_.size() - at);
  std::memcpy(octets_.data() + at, &length, sizeof length);
  pad();
  finish();
  return *this;
}

void eachAttribute(std::span<const uint8_t> attributes,
                   const std::function<void(uint16_t, std::span<const uint8_t>)>& visit) {
  while (attributes.size() >= sizeof(nlattr)) {
    const auto header = valueOf<nlattr>(attributes);
    if (header.nla_len < sizeof(nlattr) || header.nla_len > attributes.size()) return;
    visit(static_cast<uint16_t>(header.nla_type & NLA_TYPE_MASK),
          attributes.subspan(sizeof(nlattr), header.nla_len - sizeof(nlattr)));
    attributes = attributes.subspan(std::min(attributes.size(), align(header.nla_len)));
  }
}

std::span<const uint8_t> findAttribute(std::span<const uint8_t> attributes, uint16_t wanted) {
  std::span<const uint8_t> found;
  eachAttribute(attributes, [&](uint16_t type, std::span<const uint8_t> content) {
    if (type == wanted && found.data() == nullptr) found = content;
  });
  return found;
}

std::span<const uint8_t> Received::attribute(size_t head, uint16_t wanted) const {
  const size_t at = align(head);
  return body.size() <= at ? std::span<const uint8_t>{} : findAttribute(body.subspan(at), wanted);
}

std::string Answer::why() const { return words.empty() ? std::strerror(error) : words; }

Netlink::Netlink(int protocol) : file_(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol)), buffer_(receiveRoom) {
  const std::string subject = "netlink " + std::to_string(protocol);
  if (!file_.open()) throw OpenError(errno, subject, "cannot open");
  const int one = 1;
  // Words beside the number, and the number without the request behind it.
  setsockopt(file_.get(), SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof one);
  setsockopt(file_.get(), SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof one);
  const int room = 4 * 1024 * 1024;
  setsockopt(file_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
  sockaddr_nl name{};
  name.nl_family = AF_NETLINK;
  if (::bind(file_.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0)
    throw OpenError(errno, subject, "cannot bind");
}

void Netlink::join(unsigned group) {
  if (setsockopt(file_.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0)
    throw OpenError(errno, "netlink group " + std::to_string(group), "cannot join");
}

bool Netlink::send(std::span<const uint8_t> octets) {
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  return ::sendto(file_.get(), octets.data(), octets.size(), 0, reinterpret_cast<const sockaddr*>(&kernel),
                  sizeof kernel) >= 0;
}

Answer Netlink::request(Message& message) {
  return ask(message, [](const Received&) {});
}

Answer Netlink::ask(Message& message, const std::function<void(const Received&)>& visit) {
  message.setSequence(++sequence_);
  if (!send(message.octets())) return {errno, {}};
  return collect(sequence_, sequence_, false, visit);
}

Answer Netlink::dump(Message& message, const std::function<void(const Received&)>& visit) {
  message.setSequence(++sequence_);
  if (!send(message.octets())) return {errno, {}};
  return collect(sequence_, sequence_, true, visit);
}

Answer Netlink::batch(std::vector<Message>& messages) {
  if (messages.empty()) return {};
  std::vector<uint8_t> all;
  const auto append = [&](Message& message) {
    message.setSequence(++sequence_);
    const auto octets = message.octets();
    all.insert(all.end(), octets.begin(), octets.end());
    all.resize(align(all.size()));
  };
  const nfgenmsg head{AF_UNSPEC, NFNETLINK_V0, __builtin_bswap16(NFNL_SUBSYS_NFTABLES)};
  Message begin(NFNL_MSG_BATCH_BEGIN, NLM_F_REQUEST);
  begin.put(head);
  append(begin);
  const uint32_t first = sequence_;
  for (Message& message : messages) append(message);
  const uint32_t last = sequence_;
  Message end(NFNL_MSG_BATCH_END, NLM_F_REQUEST);
  end.put(head);
  append(end);
  if (!send(all)) return {errno, {}};
  return collect(first, last, false, [](const Received&) {});
}

// Reads until the message `last` is acknowledged (or its dump is done), or one from `first` on has failed.
Answer Netlink::collect(uint32_t first, uint32_t last, bool dump, const std::function<void(const Received&)>& visit) {
  Answer failure;
  for (;;) {
    pollfd waiting{file_.get(), POLLIN, 0};
    const int ready = ::poll(&waiting, 1, failure.ok() ? patience : 0);
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return failure.ok() ? Answer{ETIMEDOUT, {}} : failure;
    const ssize_t count = ::recv(file_.get(), buffer_.data(), buffer_.size(), 0);
    if (count < 0) {
      if (errno == EINTR) continue;
      return {errno, {}};
    }
    size_t at = 0;
    const auto end = static_cast<size_t>(count);
    while (at + sizeof(nlmsghdr) <= end) {
      const auto header = valueOf<nlmsghdr>({&buffer_[at], sizeof(nlmsghdr)});
      if (header.nlmsg_len < sizeof(nlmsghdr) || header.nlmsg_len > end - at) break;
      const std::span<const uint8_t> body{&buffer_[at] + sizeof(nlmsghdr), header.nlmsg_len - sizeof(nlmsghdr)};
      at += align(header.nlmsg_len);
      // What is left of an earlier question, or a notification.
      if (header.nlmsg_seq - first > last - first) continue;
      if (header.nlmsg_type == NLMSG_DONE && dump) return {};
      if (header.nlmsg_type != NLMSG_ERROR) {
        visit({header.nlmsg_type, body});
        continue;
      }
      const auto error = valueOf<nlmsgerr>(body);
      if (error.error != 0 && failure.ok()) {
        failure.error = -error.error;
        if ((header.nlmsg_flags & NLM_F_ACK_TLVS) != 0) {
          const size_t skip =
              (header.nlmsg_flags & NLM_F_CAPPED) != 0 ? sizeof(nlmsgerr) : sizeof(int) + align(error.msg.nlmsg_len);
          if (body.size() > skip) {
            const auto text = findAttribute(body.subspan(skip), NLMSGERR_ATTR_MSG);
            if (!text.empty()) failure.words.assign(reinterpret_cast<const char*>(text.data()), text.size() - 1);
          }
        }
      }
      if (header.nlmsg_seq == last && failure.ok()) return {};
    }
    if (!failure.ok() && first == last) return failure;
  }
}

void Netlink::notifications(const std::function<void(const Received&)>& visit, bool& lost) {
  for (;;) {
    const ssize_t count = ::recv(file_.get(), buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (count < 0) {
      if (errno == ENOBUFS) {
        lost = true;
        continue;
      }
      if (errno == EINTR) continue;
      return;
    }
    size_t at = 0;
    const auto end = static_cast<size_t>(count);
    while (at + sizeof(nlmsghdr) <= end) {
      const auto header = valueOf<nlmsghdr>({&buffer_[at], sizeof(nlmsghdr)});
      if (header.nlmsg_len < sizeof(nlmsghdr) || header.nlmsg_len > end - at) break;
      visit({header.nlmsg_type, {&buffer_[at] + sizeof(nlmsghdr), header.nlmsg_len - sizeof(nlmsghdr)}});
      at += align(header.nlmsg_len);
    }
  }
}

}  // namespace gatehouse::os
