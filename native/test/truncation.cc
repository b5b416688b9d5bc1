// SHA2-256 in two lengths under one number (RFC 4868 and its draft): the first authentic packet tells which one the peer has.
#include "test/esp-support.h"
#include "test/test.h"

namespace gatehouse::test {
namespace {

const Octets payload(100, 0x5a);
const Octets integrityKey = someKey(32, 7);
constexpr std::uint32_t spi = 0x10000001;

crypto::Transform named(const char* cipher, const char* hash) {
  return *crypto::transformFromNames(cipher, hash, false);
}

Octets keyFor(const char* cipher) { return someKey(named(cipher, "sha256").cipherKeyLength()); }

std::string nameOfOther(const char* cipher, const char* hash) {
  const auto other = crypto::otherTruncation(named(cipher, hash));
  return other ? crypto::nameOf(*other) : "none";
}

}  // namespace

TEST("truncation: what has another one") {
  CHECK_EQUAL(nameOfOther("aes128", "sha256"), "aes128-sha256_96");
  CHECK_EQUAL(nameOfOther("3des", "sha256_96"), "3des-sha256");
  CHECK_EQUAL(nameOfOther("aes128", "sha1"), "none");
  // With NULL a packet's length doesn't tell.
  CHECK_EQUAL(nameOfOther("null", "sha256"), "none");
}

TEST("truncation: either form is understood from the first packet on") {
  for (const auto engineName : crypto::engineNames()) {
    const auto engine = crypto::makeEngine(engineName);
    for (const char* cipher : {"aes128", "aes256", "3des", "des"}) {
      for (const auto& [agreed, peers] :
           {std::pair("sha256", "sha256_96"), std::pair("sha256", "sha256"), std::pair("sha256_96", "sha256")}) {
        if (!engine->supports(named(cipher, agreed)) || !engine->supports(named(cipher, peers))) continue;
        Sender peer(*engine, named(cipher, peers), keyFor(cipher), integrityKey, spi);
        Receiver ours(*engine, named(cipher, agreed), keyFor(cipher), integrityKey, spi);
        CHECK_EQUAL(ours.sa().truncation(), named(cipher, agreed).icvLength());
        CHECK(ours.open(peer.seal(payload).packet) == (Received{esp::OpenResult::ok, 17, payload, true, true}));
        CHECK_EQUAL(ours.sa().truncation(), named(cipher, peers).icvLength());
        CHECK(ours.open(peer.seal(payload).packet) == (Received{esp::OpenResult::ok, 17, payload, false, true}));
      }
    }
  }
}

TEST("truncation: four octets taken off a peer's packets mislead until its next one, and never after that") {
  const auto engine = crypto::makeEngine();
  Sender peer(*engine, named("aes128", "sha256"), keyFor("aes128"), integrityKey, spi);
  Receiver ours(*engine, named("aes128", "sha256"), keyFor("aes128"), integrityKey, spi);
  const auto cut = [&] {
    const Octets packet = peer.seal(payload).packet;
    return Octets(packet.begin(), packet.end() - 4);
  };
  CHECK(ours.open(cut()).result == esp::OpenResult::ok);
  CHECK_EQUAL(ours.sa().truncation(), 12U);
  CHECK(ours.open(peer.seal(payload).packet).result == esp::OpenResult::ok);
  CHECK_EQUAL(ours.sa().truncation(), 16U);
  CHECK(ours.open(cut()).result == esp::OpenResult::tooShort);
  CHECK_EQUAL(ours.sa().truncation(), 16U);
}

TEST("truncation: what was not authentic decides nothing") {
  const auto engine = crypto::makeEngine();
  Sender forger(*engine, named("aes128", "sha256_96"), keyFor("aes128"), someKey(32, 99), spi);
  Sender peer(*engine, named("aes128", "sha256"), keyFor("aes128"), integrityKey, spi);
  Receiver ours(*engine, named("aes128", "sha256"), keyFor("aes128"), integrityKey, spi);
  CHECK(ours.open(forger.seal(payload).packet).result == esp::OpenResult::forged);
  CHECK_EQUAL(ours.sa().truncation(), 16U);
  CHECK(ours.open(peer.seal(payload).packet) == (Received{esp::OpenResult::ok, 17, payload, true, true}));
  CHECK_EQUAL(ours.sa().truncation(), 16U);
}

TEST("truncation: an outbound SA that is switched over goes on with its numbers, and promises room for both") {
  const auto engine = crypto::makeEngine();
  Sender ours(*engine, named("aes128", "sha256"), keyFor("aes128"), integrityKey, spi);
  Receiver peer(*engine, named("aes128", "sha256_96"), keyFor("aes128"), integrityKey, spi);
  const Octets before = ours.seal(payload).packet;
  CHECK(ours.sa().truncate(12));
  CHECK(!ours.sa().truncate(12));
  const Octets after = ours.seal(payload).packet;
  CHECK_EQUAL(before.size(), after.size() + 4);
  CHECK_EQUAL(int{after[7]}, 2);
  CHECK(peer.open(after) == (Received{esp::OpenResult::ok, 17, payload, true, true}));
  CHECK_EQUAL(ours.sa().largestPayload(1000), named("aes128", "sha256").largestPayload(1000));
  CHECK_EQUAL(ours.sa().tailRoom(), named("aes128", "sha256").tailRoom());
}

}  // namespace gatehouse::test
