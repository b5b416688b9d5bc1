#include "kernel/probe.h"

#include <algorithm>
#include <random>

#include "kernel/tables.h"
#include "linux/netlink-socket.h"
#include "linux/nft-elements.h"
#include "linux/open-error.h"
#include "linux/ppp-device.h"
#include "linux/xfrm-messages.h"

namespace gatehouse::kernel {
namespace {

constexpr const char* ciphers[] = {"aes128gcm16", "aes192gcm16", "aes256gcm16", "aes128", "aes192",
                                   "aes256",      "3des",        "des",         "null"};
constexpr const char* hashes[] = {"sha1", "sha256", "sha256_96", "sha384", "sha512", "md5"};

/// Addresses for documentation (RFC 5737): nobody has an SA between them.
Address documentation(uint8_t host) {
  const uint8_t octets[4] = {192, 0, 2, host};
  return Address::from(octets, 4);
}

os::Answer trySa(os::Netlink& xfrm, const crypto::Transform& transform, uint32_t spi) {
  // Key octets that differ, since a kernel may refuse weak keys of DES.
  std::vector<uint8_t> key(128);
  for (size_t i = 0; i < key.size(); i++) key[i] = static_cast<uint8_t>(17 + 59 * i);
  os::xfrm::Sa sa;
  sa.spi = spi;
  sa.path = {{documentation(1), 4500}, {documentation(2), 4500}};
  sa.encapsulated = true;
  sa.transform = transform;
  sa.mark = sa.reqid = markOfOurs;
  sa.cipherKey = std::span(key).first(transform.cipherKeyLength());
  sa.integrityKey = std::span(key).last(transform.integrityKeyLength());
  os::Message message = os::xfrm::addSa(sa);
  os::Answer answer = xfrm.request(message);
  if (answer.ok()) {
    os::Message gone = os::xfrm::removeSa(sa.path.local.address, spi, 0);
    xfrm.request(gone);
  }
  return answer;
}

void probeEsp(Probe& probe) {
  os::Netlink xfrm(NETLINK_XFRM);
  const uint32_t spi = std::random_device{}() | 0x80000000;
  for (const char* cipher : ciphers) {
    for (const char* hash : hashes) {
      const bool aead = std::string_view(cipher).ends_with("gcm16");
      const auto transform = crypto::transformFromNames(cipher, aead ? "" : hash, false);
      if (!transform) continue;
      const os::Answer answer = trySa(xfrm, *transform, spi);
      if (answer.ok()) {
        probe.ciphers.push_back(crypto::nameOf(*transform));
      } else if (probe.ciphers.empty() || std::string_view(cipher) == "aes128") {
        probe.missing.push_back("ESP with " + crypto::nameOf(*transform) + " (" + answer.why() + ")");
      }
      if (aead) break;
    }
  }
}

template <typename Try>
void attempt(Probe& probe, const std::string& what, Try&& tried) {
  try {
    tried();
  } catch (const os::OpenError& error) {
    probe.missing.push_back(what + " (" + error.what() + ")");
  }
}

}  // namespace

Probe probeKernel() {
  Probe probe;
  attempt(probe, "XFRM", [&] { probeEsp(probe); });
  const bool esp = std::find(probe.ciphers.begin(), probe.ciphers.end(), "aes128-sha1") != probe.ciphers.end();
  const size_t before = esp ? (probe.missing.clear(), size_t{0}) : probe.missing.size();
  attempt(probe, "PPPoL2TP sockets", [] { (void)os::pppol2tpOpen(); });
  attempt(probe, "/dev/ppp", [] {
    int number = -1;
    (void)os::pppUnit(number);
  });
  const std::string complaint = os::nft::load("table inet gatehouse_probe\ndelete table inet gatehouse_probe\n");
  if (!complaint.empty()) probe.missing.push_back("nftables (" + complaint.substr(0, complaint.find('\n')) + ")");
  probe.usable = esp && probe.missing.size() == before;
  if (probe.usable) {
    probe.why =
        "the kernel has ESP with " + std::to_string(probe.ciphers.size()) + " transforms, PPPoL2TP and nftables";
  } else {
    probe.why = "the kernel lacks ";
    for (size_t i = 0; i < probe.missing.size(); i++) probe.why += (i == 0 ? "" : "; ") + probe.missing[i];
  }
  return probe;
}

}  // namespace gatehouse::kernel
