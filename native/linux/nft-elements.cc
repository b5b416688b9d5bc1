#include "linux/nft-elements.h"

#include <fcntl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <net/if.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "linux/file.h"
#include "pipeline/octets.h"

namespace gatehouse::os::nft {
namespace {

constexpr uint16_t typeOf(uint16_t message) { return static_cast<uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | message); }
constexpr nfgenmsg inet{NFPROTO_INET, NFNETLINK_V0, 0};

void putData(Message& to, uint16_t type, const Octets& octets) {
  to.nest(type, [&](Message& in) { in.attribute(NFTA_DATA_VALUE, octets.data(), octets.size()); });
}

Message aboutElement(uint16_t type, uint16_t flags, const std::string& table, const Element& element) {
  Message message(typeOf(type), static_cast<uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags));
  message.put(inet);
  message.text(NFTA_SET_ELEM_LIST_TABLE, table).text(NFTA_SET_ELEM_LIST_SET, element.set);
  message.nest(NFTA_SET_ELEM_LIST_ELEMENTS, [&](Message& list) {
    list.nest(NFTA_LIST_ELEM, [&](Message& one) {
      putData(one, NFTA_SET_ELEM_KEY, element.key);
      if (!element.last.empty()) putData(one, NFTA_SET_ELEM_KEY_END, element.last);
      if (!element.value.empty()) putData(one, NFTA_SET_ELEM_DATA, element.value);
    });
  });
  return message;
}

constexpr size_t padded(size_t length) { return (length + 3) & ~size_t{3}; }

uint64_t bigEndian64(std::span<const uint8_t> octets) {
  return octets.size() < 8
             ? 0
             : static_cast<uint64_t>(pipeline::load32(octets.data())) << 32 | pipeline::load32(octets.data() + 4);
}

Octets dataOf(std::span<const uint8_t> nested) {
  const auto value = findAttribute(nested, NFTA_DATA_VALUE);
  return {value.begin(), value.end()};
}

}  // namespace

Key& Key::octets(std::span<const uint8_t> value) {
  octets_.resize(padded(octets_.size()));
  fields_ += 1;
  octets_.insert(octets_.end(), value.begin(), value.end());
  return *this;
}
Key& Key::mark(uint32_t value) { return octets(octetsOf(value)); }
Key& Key::port(uint16_t value) {
  uint8_t two[2];
  pipeline::store16(two, value);
  octets(two);
  return *this;
}
Key& Key::number32(uint32_t value) {
  uint8_t four[4];
  pipeline::store32(four, value);
  return octets(four);
}
Key& Key::interface(const std::string& name) {
  std::array<uint8_t, IFNAMSIZ> field{};
  std::memcpy(field.data(), name.data(), std::min(name.size(), field.size() - 1));
  return octets(field);
}

Octets Key::done() const {
  Octets whole = octets_;
  if (fields_ > 1) whole.resize(padded(whole.size()));
  return whole;
}

Message addElement(const std::string& table, const Element& element) {
  return aboutElement(NFT_MSG_NEWSETELEM, NLM_F_CREATE, table, element);
}

Message removeElement(const std::string& table, const Element& element) {
  // The key says which one it is.
  return aboutElement(NFT_MSG_DELSETELEM, 0, table, {element.set, element.key, element.last, {}});
}

Message dumpCounters(const std::string& table) {
  Message message(typeOf(NFT_MSG_GETOBJ), NLM_F_REQUEST | NLM_F_DUMP);
  message.put(inet).text(NFTA_OBJ_TABLE, table);
  message.attribute(NFTA_OBJ_TYPE, __builtin_bswap32(NFT_OBJECT_COUNTER));
  return message;
}

void readCounter(const Received& message, const std::function<void(const std::string&, uint64_t)>& visit) {
  const auto name = message.attribute(sizeof(nfgenmsg), NFTA_OBJ_NAME);
  const auto data = message.attribute(sizeof(nfgenmsg), NFTA_OBJ_DATA);
  if (name.empty() || data.empty()) return;
  visit(std::string(reinterpret_cast<const char*>(name.data()), name.size() - 1),
        bigEndian64(findAttribute(data, NFTA_COUNTER_PACKETS)));
}

Message dumpElements(const std::string& table, const std::string& set) {
  Message message(typeOf(NFT_MSG_GETSETELEM), NLM_F_REQUEST | NLM_F_DUMP);
  message.put(inet).text(NFTA_SET_ELEM_LIST_TABLE, table).text(NFTA_SET_ELEM_LIST_SET, set);
  return message;
}

void readElements(const Received& message, const std::function<void(const Counted&)>& visit) {
  eachAttribute(message.attribute(sizeof(nfgenmsg), NFTA_SET_ELEM_LIST_ELEMENTS), [&](uint16_t, auto element) {
    Counted one;
    one.key = dataOf(findAttribute(element, NFTA_SET_ELEM_KEY));
    one.last = dataOf(findAttribute(element, NFTA_SET_ELEM_KEY_END));
    one.value = dataOf(findAttribute(element, NFTA_SET_ELEM_DATA));
    const auto expression = findAttribute(element, NFTA_SET_ELEM_EXPR);
    const auto counter = findAttribute(expression, NFTA_EXPR_DATA);
    one.octets = bigEndian64(findAttribute(counter, NFTA_COUNTER_BYTES));
    one.packets = bigEndian64(findAttribute(counter, NFTA_COUNTER_PACKETS));
    visit(one);
  });
}

std::string load(const std::string& ruleset) {
  const auto put = [&](const File& to) {
    return ::write(to.get(), ruleset.data(), ruleset.size()) == static_cast<ssize_t>(ruleset.size()) &&
           ::lseek(to.get(), 0, SEEK_SET) == 0;
  };
  const File text(::memfd_create("ruleset", MFD_CLOEXEC));
  const File said(::memfd_create("complaint", MFD_CLOEXEC));
  if (!text.open() || !said.open() || !put(text)) return std::string("no memory file: ") + std::strerror(errno);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, text.get(), 0);
  posix_spawn_file_actions_adddup2(&actions, said.get(), 1);
  posix_spawn_file_actions_adddup2(&actions, said.get(), 2);
  std::string words[] = {"nft", "-f", "-"};
  char* arguments[] = {words[0].data(), words[1].data(), words[2].data(), nullptr};
  std::string path = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
  char* environment[] = {path.data(), nullptr};
  pid_t child = 0;
  int error = ENOENT;
  for (const char* program : {"/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft"}) {
    error = posix_spawn(&child, program, &actions, nullptr, arguments, environment);
    if (error != ENOENT) break;
  }
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return std::string("nft does not start: ") + std::strerror(error);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (status == 0) return {};
  std::array<char, 2000> complaint{};
  const ssize_t length = ::pread(said.get(), complaint.data(), complaint.size() - 1, 0);
  return length > 0 ? std::string(complaint.data(), static_cast<size_t>(length)) : "nft failed without a word";
}

}  // namespace gatehouse::os::nft
