// Netlink as its users here need it: messages put together attribute by attribute, requests answered with an error number, dumps, and notifications.
#pragma once

#include <linux/netlink.h>

#include <cstdint>
#include <cstring>
#include <functional>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "linux/file.h"

namespace gatehouse::os {

/// One message under construction. Fields are in host order unless their protocol says otherwise. Octets may hold keys: they are wiped at the end.
class Message {
 public:
  Message(uint16_t type, uint16_t flags);
  Message(Message&&) = default;
  Message& operator=(Message&&) = default;
  Message(const Message&) = delete;
  Message& operator=(const Message&) = delete;
  ~Message();

  /// The protocol's own header, or any structure at the present end.
  template <typename T>
  Message& put(const T& value) {
    append(&value, sizeof value);
    return *this;
  }
  Message& attribute(uint16_t type, const void* data, size_t length);
  template <typename T>
  Message& attribute(uint16_t type, const T& value) {
    return attribute(type, &value, sizeof value);
  }
  Message& text(uint16_t type, std::string_view value);
  /// Several pieces as one attribute: a structure and the key behind it.
  Message& pieces(uint16_t type, std::initializer_list<std::span<const uint8_t>> parts);
  /// Attributes inside an attribute: what `fill` appends.
  Message& nest(uint16_t type, const std::function<void(Message&)>& fill);

  /// With the length in its place.
  [[nodiscard]] std::span<const uint8_t> octets() const { return octets_; }
  void setSequence(uint32_t sequence);

 private:
  void append(const void* data, size_t length);
  void pad();
  void finish();

  std::vector<uint8_t> octets_;
};

template <typename T>
std::span<const uint8_t> octetsOf(const T& value) {
  return {reinterpret_cast<const uint8_t*>(&value), sizeof value};
}

/// What was received: type, the octets behind the netlink header, attributes from `offset` on.
struct Received {
  uint16_t type = 0;
  std::span<const uint8_t> body;

  /// The structure at the beginning; zeros where the message is too short for it.
  template <typename T>
  [[nodiscard]] T head() const {
    T value{};
    if (body.size() >= sizeof value) std::memcpy(&value, body.data(), sizeof value);
    return value;
  }
  /// The content of an attribute behind a head of so many octets; empty if it isn't there.
  [[nodiscard]] std::span<const uint8_t> attribute(size_t head, uint16_t wanted) const;
};

/// The content of the attribute `wanted` among these; empty if it isn't there.
std::span<const uint8_t> findAttribute(std::span<const uint8_t> attributes, uint16_t wanted);
/// Each attribute in order, nested flag taken off its type.
void eachAttribute(std::span<const uint8_t> attributes,
                   const std::function<void(uint16_t, std::span<const uint8_t>)>& visit);

template <typename T>
T valueOf(std::span<const uint8_t> octets) {
  T value{};
  if (octets.size() >= sizeof value) std::memcpy(&value, octets.data(), sizeof value);
  return value;
}

/// What the kernel answered: 0 or an error number, and its own words where it had some.
struct Answer {
  int error = 0;
  std::string words;
  [[nodiscard]] bool ok() const { return error == 0; }
  /// `words`, or what the error number is called.
  [[nodiscard]] std::string why() const;
};

/// A socket of one netlink family, used by one thread.
class Netlink {
 public:
  /// `protocol`: NETLINK_XFRM and the like. Throws OpenError.
  explicit Netlink(int protocol);

  [[nodiscard]] int descriptor() const { return file_.get(); }
  /// From now on notifications of this group come.
  void join(unsigned group);
  /// Sends and waits for the acknowledgement.
  Answer request(Message& message);
  /// As request(), and what is answered before the acknowledgement is shown to `visit`.
  Answer ask(Message& message, const std::function<void(const Received&)>& visit);
  Answer dump(Message& message, const std::function<void(const Received&)>& visit);
  /// Messages inside an nftables batch: all of them or none.
  Answer batch(std::vector<Message>& messages);
  /// Notifications that are waiting. `lost` is set if the kernel dropped some because the buffer was full.
  void notifications(const std::function<void(const Received&)>& visit, bool& lost);

 private:
  bool send(std::span<const uint8_t> octets);
  Answer collect(uint32_t first, uint32_t last, bool dump, const std::function<void(const Received&)>& visit);

  File file_;
  uint32_t sequence_ = 0;
  std::vector<uint8_t> buffer_;
};

}  // namespace gatehouse::os
