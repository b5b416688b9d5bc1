// nftables by NETLINK_NETFILTER (linux/netfilter/nf_tables.h): elements of sets and maps put in and taken out in transactions, counters read. The table
// itself is text for nft(8), loaded once. Encoding only.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "linux/netlink-socket.h"

namespace gatehouse::os::nft {

using Octets = std::vector<uint8_t>;

/// A key of one field, or of several: then each takes up a multiple of four octets.
class Key {
 public:
  /// Host order, as packet marks are.
  Key& mark(uint32_t value);
  /// Network order.
  Key& port(uint16_t value);
  Key& number32(uint32_t value);
  /// 16 octets, zeros behind the name.
  Key& interface(const std::string& name);
  Key& octets(std::span<const uint8_t> value);
  [[nodiscard]] Octets done() const;

 private:
  Octets octets_;
  int fields_ = 0;
};

struct Element {
  std::string set;
  Octets key;
  /// The last key of an interval, its first being `key`; empty: just one.
  Octets last;
  /// Of a map; empty in a set.
  Octets value;
};

/// One message of a transaction; see Netlink::batch().
Message addElement(const std::string& table, const Element& element);
Message removeElement(const std::string& table, const Element& element);

/// All named counters of a table.
Message dumpCounters(const std::string& table);
void readCounter(const Received& message, const std::function<void(const std::string& name, uint64_t packets)>& visit);

/// The elements of a set, with the counter of each where it has one.
Message dumpElements(const std::string& table, const std::string& set);
struct Counted {
  Octets key;
  /// Of an interval.
  Octets last;
  Octets value;
  uint64_t packets = 0;
  uint64_t octets = 0;
};
void readElements(const Received& message, const std::function<void(const Counted&)>& visit);

/// Gives the text to nft(8). What it complained of, or nothing.
std::string load(const std::string& ruleset);

}  // namespace gatehouse::os::nft
