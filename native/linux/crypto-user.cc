#include "linux/crypto-user.h"

#include <linux/cryptouser.h>
#include <linux/netlink.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "linux/netlink-socket.h"
#include "linux/open-error.h"

namespace gatehouse::os {

namespace {

using crypto::KernelAlgorithm;
using crypto::Made;

/// include/linux/crypto.h of the kernel: not in its interface for programs, but what NETLINK_CRYPTO tells, and unchanged since Linux 3.2.
constexpr std::uint32_t flagLarval = 0x10;
constexpr std::uint32_t flagDead = 0x20;
constexpr std::uint32_t flagAsynchronous = 0x80;
constexpr std::uint32_t flagTested = 0x400;
constexpr std::uint32_t flagInstance = 0x800;
constexpr std::uint32_t flagDeviceDriver = 0x1000;
constexpr std::uint32_t flagInternal = 0x2000;

constexpr const char* subject = "crypto algorithms (NETLINK_CRYPTO)";

template <std::size_t size>
std::string textOf(const char (&field)[size]) {
  return {field, ::strnlen(field, size)};
}

/// Each report begins with the type's name in 64 octets.
constexpr std::array reports{CRYPTOCFGA_REPORT_HASH, CRYPTOCFGA_REPORT_BLKCIPHER, CRYPTOCFGA_REPORT_AEAD,
                             CRYPTOCFGA_REPORT_CIPHER};

std::string typeOf(const Received& message) {
  for (const auto report : reports) {
    const auto octets = message.attribute(sizeof(crypto_user_alg), static_cast<std::uint16_t>(report));
    const auto* text = reinterpret_cast<const char*>(octets.data());
    if (!octets.empty()) return {text, ::strnlen(text, octets.size())};
  }
  return {};
}

KernelAlgorithm toAlgorithm(const Received& message) {
  const auto told = message.head<crypto_user_alg>();
  const auto priority = message.attribute(sizeof told, CRYPTOCFGA_PRIORITY_VAL);
  return {.name = textOf(told.cru_name),
          .driver = textOf(told.cru_driver_name),
          .module = textOf(told.cru_module_name),
          .type = typeOf(message),
          .priority = valueOf<std::int32_t>(priority),
          .references = static_cast<std::int32_t>(told.cru_refcnt),
          .asynchronous = (told.cru_flags & flagAsynchronous) != 0,
          .selfTestPassed = (told.cru_flags & flagTested) != 0,
          .internal = (told.cru_flags & flagInternal) != 0,
          .instance = (told.cru_flags & flagInstance) != 0,
          .made = (told.cru_flags & flagDeviceDriver) != 0 ? Made::device : Made::processor};
}

Answer dump(Netlink& netlink, std::vector<KernelAlgorithm>& into) {
  Message question(CRYPTO_MSG_GETALG, NLM_F_REQUEST | NLM_F_DUMP);
  question.put(crypto_user_alg{});
  return netlink.dump(question, [&](const Received& message) {
    const auto told = message.head<crypto_user_alg>();
    if (message.type == CRYPTO_MSG_GETALG && (told.cru_flags & (flagLarval | flagDead)) == 0) {
      into.push_back(toAlgorithm(message));
    }
  });
}

Message about(std::uint16_t type, const std::string& driver) {
  crypto_user_alg head{};
  std::memcpy(head.cru_driver_name, driver.data(), std::min(driver.size(), sizeof head.cru_driver_name - 1));
  Message message(type, NLM_F_REQUEST | NLM_F_ACK);
  message.put(head);
  return message;
}

}  // namespace

KernelAlgorithms listKernelAlgorithms() {
  try {
    Netlink netlink(NETLINK_CRYPTO);
    KernelAlgorithms list{.netlink = true, .algorithms = {}};
    if (dump(netlink, list.algorithms).ok()) return list;
  } catch (const OpenError&) {
    // Not in this kernel.
  }
  return {.netlink = false, .algorithms = crypto::readProcCrypto()};
}

std::vector<KernelAlgorithm> builtOnOthers(const std::vector<KernelAlgorithm>& all, const std::string& algorithm) {
  const KernelAlgorithm* chosen = crypto::choose(all, algorithm);
  std::vector<KernelAlgorithm> found;
  if (chosen == nullptr) return found;
  for (const KernelAlgorithm& one : all) {
    if (!one.instance || one.name == algorithm || one.name.find(algorithm) == std::string::npos) continue;
    // `__cbc(aes)`: the inside of a driver of the processor's instructions, not built on our algorithm.
    if (one.internal || one.name.find("__") != std::string::npos) continue;
    if (one.driver.find(chosen->driver) == std::string::npos) found.push_back(one);
  }
  // What is built on another construction keeps that one in use.
  std::ranges::stable_sort(found, std::ranges::greater{}, [](const KernelAlgorithm& a) { return a.name.size(); });
  return found;
}

PriorityChange setPriority(const std::string& driver, std::int32_t priority) {
  Netlink netlink(NETLINK_CRYPTO);
  std::vector<KernelAlgorithm> all;
  if (const Answer answer = dump(netlink, all); !answer.ok()) throw OpenError(answer.error, subject, "cannot list");
  const auto found = std::ranges::find(all, driver, &KernelAlgorithm::driver);
  if (found == all.end()) throw OpenError(ENOENT, "driver " + driver, "cannot find");
  PriorityChange change{.before = found->priority, .dropped = {}, .inUse = {}};
  Message update = about(CRYPTO_MSG_UPDATEALG, driver);
  update.attribute(CRYPTOCFGA_PRIORITY_VAL, static_cast<std::uint32_t>(priority));
  if (const Answer answer = netlink.request(update); !answer.ok()) {
    throw OpenError(answer.error, "the priority of " + driver, "cannot change");
  }
  // The kernel keeps what it has built by name, and would go on giving it away.
  found->priority = priority;
  for (const KernelAlgorithm& old : builtOnOthers(all, found->name)) {
    Message removal = about(CRYPTO_MSG_DELALG, old.driver);
    const Answer answer = netlink.request(removal);
    if (answer.ok() || answer.error == ENOENT) {
      change.dropped.push_back(old.driver);
    } else {
      change.inUse.push_back(old.driver);
    }
  }
  return change;
}

}  // namespace gatehouse::os
