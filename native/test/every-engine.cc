// Which engines the vectors go through, and that AF_ALG's are among them where the kernel has it.
#include <algorithm>
#include <cstdio>
#include <map>

#include "crypto/af-alg.h"
#include "crypto/kernel-algorithms.h"
#include "test/crypto-support.h"

namespace gatehouse::test {

namespace {

/// Templates that make any cipher asynchronous; their modules are loaded by asking.
constexpr const char* asynchronous[] = {"cryptd(cbc(des-generic))", "cryptd(cbc(des3_ede-generic))",
                                        "cryptd(cbc(aes-generic))"};

/// Each driver in one engine, and in each engine one driver for every algorithm that still has one: `af-alg:A,B`.
std::vector<std::string> driverEngines() {
  for (const char* driver : asynchronous) (void)crypto::makeAfAlgEngine(std::string("af-alg:") + driver);
  const auto algorithms = crypto::readProcCrypto();
  std::map<std::string, std::size_t> met;
  std::vector<std::string> names;
  for (const std::string& one : crypto::afAlgDriverEngines()) {
    const std::string driver = one.substr(one.find(':') + 1);
    const std::size_t round = met[crypto::choose(algorithms, driver)->name]++;
    if (round == names.size()) {
      names.push_back("af-alg:" + driver);
    } else {
      names[round] += "," + driver;
    }
  }
  return names;
}

}  // namespace

std::vector<std::unique_ptr<crypto::Engine>> everyEngine() {
  std::vector<std::unique_ptr<crypto::Engine>> engines;
  for (const std::string_view name : crypto::engineNames()) engines.push_back(crypto::makeEngine(name));
  if (!crypto::afAlgAvailable()) return engines;
  // Asked once: the list grows by what the engines themselves make the kernel build.
  static const std::vector<std::string> drivers = driverEngines();
  for (const std::string& name : drivers) engines.push_back(crypto::makeEngine(name));
  engines.push_back(crypto::makeAfAlgEngine(crypto::AfAlgOptions{.combined = false}));
  engines.push_back(crypto::makeAfAlgEngine(
      crypto::AfAlgOptions{.drivers = {"cryptd(cbc(des3_ede-generic))"}, .combined = false, .outstanding = 1}));
  std::erase_if(engines, [](const auto& engine) {
    CHECK(engine != nullptr);
    return engine == nullptr;
  });
  return engines;
}

TEST("engines: AF_ALG with every driver that the kernel has, asynchronous DES and 3DES among them") {
  if (!crypto::afAlgAvailable()) {
    skip("this kernel has no AF_ALG; test/engines runs this in a guest whose kernel has");
    return;
  }
  std::vector<std::string> names;
  for (const auto& engine : everyEngine()) names.emplace_back(engine->name());
  for (const std::string& name : names) std::printf("engine  %s\n", name.c_str());
  CHECK(std::ranges::find(names, "af-alg") != names.end());
  for (const char* wanted : {"cryptd(cbc(des-generic))", "cryptd(cbc(des3_ede-generic))"}) {
    CHECK(std::ranges::any_of(names, [&](const std::string& name) { return name.find(wanted) != std::string::npos; }));
  }
  const auto algorithms = crypto::readProcCrypto();
  for (const char* driver : {"cryptd(cbc(des-generic))", "cryptd(cbc(des3_ede-generic))"}) {
    const auto* found = crypto::choose(algorithms, driver);
    CHECK(found != nullptr && found->asynchronous);
  }
}

TEST("engines: a driver that the kernel does not have, and a name that is none, are no engines") {
  CHECK(crypto::makeEngine("af-alg:abacus") == nullptr);
  CHECK(crypto::makeEngine("af-alg:") == nullptr);
  CHECK(crypto::makeEngine("af-algebra") == nullptr);
  CHECK(crypto::makeEngine("af-alg:cbc(aes),") == nullptr);
}

TEST("/proc/crypto: what an entry says; larval and nameless ones are left out") {
  const auto found = crypto::parseProcCrypto(
      "name         : cbc(aes)\ndriver       : virtio_crypto_aes_cbc\nmodule       : virtio_crypto\npriority     : "
      "150\n"
      "refcnt       : 2\nselftest     : passed\ninternal     : no\ntype         : skcipher\nasync        : yes\n"
      "blocksize    : 16\n\nname         : foo\ndriver       : foo\ntype         : larval\n\nname         : \n\n"
      "junk\nname         : hmac(sha1)\ndriver       : hmac(sha1-generic)\npriority     : 100\nselftest     : unknown\n"
      "type         : shash");
  const std::vector<crypto::KernelAlgorithm> wanted{
      {.name = "cbc(aes)",
       .driver = "virtio_crypto_aes_cbc",
       .module = "virtio_crypto",
       .type = "skcipher",
       .priority = 150,
       .references = 2,
       .asynchronous = true,
       .selfTestPassed = true},
      {.name = "hmac(sha1)", .driver = "hmac(sha1-generic)", .type = "shash", .priority = 100, .instance = true}};
  CHECK(found == wanted);
  // What has not passed its test is not chosen.
  CHECK(crypto::choose(found, "hmac(sha1)") == nullptr);
  CHECK(crypto::choose(found, "cbc(aes)") == &found[0]);
}

TEST("AF_ALG: a batch of one SA on an asynchronous driver keeps its order, whatever may be outstanding") {
  if (!crypto::afAlgAvailable()) {
    skip("this kernel has no AF_ALG");
    return;
  }
  const crypto::Transform transform{.cipher = crypto::Cipher::tripleDesCbc,
                                    .integrity = crypto::Integrity::hmacSha1_96};
  const Octets cipherKey = fromHex("0123456789abcdef23456789abcdef01456789abcdef0123");
  const Octets integrityKey(20, 0x0b);
  const auto reference = crypto::makeEngine("openssl");
  for (const std::size_t outstanding : std::initializer_list<std::size_t>{0, 1, 3, 8}) {
    const auto engine = crypto::makeAfAlgEngine(
        crypto::AfAlgOptions{.drivers = {"cryptd(cbc(des3_ede-generic))"}, .outstanding = outstanding});
    CHECK(engine != nullptr);
    if (!engine) return;
    const auto seal = engine->expand(transform, crypto::Direction::seal, cipherKey, integrityKey);
    const auto open = engine->expand(transform, crypto::Direction::open, cipherKey, integrityKey);
    constexpr std::size_t count = 200;
    std::vector<Octets> plain;
    std::vector<Octets> packets;
    std::vector<crypto::Job> jobs(count);
    for (std::size_t i = 0; i < count; ++i) {
      Octets packet(8 + 8 + 8 * (1 + i % 90));
      for (std::size_t at = 0; at < packet.size(); ++at) packet[at] = static_cast<std::uint8_t>(at * 3 + i);
      plain.push_back(packet);
      packet.resize(packet.size() + transform.icvLength());
      packets.push_back(packet);
    }
    for (std::size_t i = 0; i < count; ++i)
      jobs[i] = {.key = seal.get(), .packet = packets[i].data(), .length = static_cast<std::uint32_t>(plain[i].size())};
    const auto context = engine->makeContext();
    context->seal(jobs);
    for (std::size_t i = 0; i < count; ++i) {
      CHECK_EQUAL(jobs[i].status, crypto::Status::ok);
      CHECK_EQUAL(packets[i], sealWith(*reference, transform, cipherKey, integrityKey, plain[i]));
      jobs[i].key = open.get();
      if (i % 7 == 3) packets[i][20] ^= 1;
    }
    context->open(jobs);
    for (std::size_t i = 0; i < count; ++i) {
      CHECK_EQUAL(jobs[i].status, i % 7 == 3 ? crypto::Status::badIntegrity : crypto::Status::ok);
      packets[i].resize(plain[i].size());
      if (i % 7 != 3) CHECK_EQUAL(packets[i], plain[i]);
    }
  }
}

}  // namespace gatehouse::test
