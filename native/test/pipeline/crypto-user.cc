// The kernel's list of algorithms by netlink against /proc/crypto, and a priority that changes what comes first.
#include "linux/crypto-user.h"

#include <algorithm>

#include "crypto/af-alg.h"
#include "linux/open-error.h"
#include "test/test.h"

namespace gatehouse::test {

namespace {

const crypto::KernelAlgorithm* find(const std::vector<crypto::KernelAlgorithm>& all, const std::string& driver) {
  const auto found = std::ranges::find(all, driver, &crypto::KernelAlgorithm::driver);
  return found == all.end() ? nullptr : &*found;
}

bool unavailable() {
  if (os::listKernelAlgorithms().netlink) return false;
  skip("this kernel has no NETLINK_CRYPTO; test/engines runs this in a guest whose kernel has");
  return true;
}

}  // namespace

TEST("crypto user: without netlink the list is that of /proc/crypto") {
  const os::KernelAlgorithms list = os::listKernelAlgorithms();
  const auto read = crypto::readProcCrypto();
  if (!list.netlink) CHECK_EQUAL(list.algorithms.size(), read.size());
  for (const auto& algorithm : read) {
    const auto* told = find(list.algorithms, algorithm.driver.substr(0, 63));
    CHECK(told != nullptr);
    if (told == nullptr) continue;
    CHECK_EQUAL(told->name, algorithm.name.substr(0, 63));
    CHECK_EQUAL(told->priority, algorithm.priority);
    CHECK_EQUAL(told->asynchronous, algorithm.asynchronous);
    CHECK_EQUAL(told->selfTestPassed, algorithm.selfTestPassed);
    // Of compressors netlink does not say it.
    if (!told->type.empty()) CHECK_EQUAL(told->type, algorithm.type);
    CHECK_EQUAL(told->module, algorithm.module);
  }
}

TEST("crypto user: a raised driver is what the kernel takes, for what it builds of it too; put back, it is not") {
  if (unavailable()) return;
  const std::string slow = "cryptd(cbc(des3_ede-generic))";
  CHECK(crypto::makeEngine("af-alg:" + slow) != nullptr);
  const crypto::Transform transform{.cipher = crypto::Cipher::tripleDesCbc,
                                    .integrity = crypto::Integrity::hmacSha1_96};
  // Asking for a key makes the kernel build authenc(hmac(sha1),cbc(des3_ede)) with what comes first.
  const auto built = [&](const std::string& driver) {
    const std::vector<std::uint8_t> key{1, 2, 3, 4, 5, 6, 7, 8, 9, 8, 7, 6, 5, 4, 3, 2, 8, 7, 6, 5, 1, 2, 3, 4};
    (void)crypto::makeEngine("af-alg")->expand(transform, crypto::Direction::seal, key, std::vector<std::uint8_t>(20));
    const auto list = os::listKernelAlgorithms().algorithms;
    const auto* chosen = crypto::choose(list, "authenc(hmac(sha1),cbc(des3_ede))");
    return chosen != nullptr && chosen->driver == "authenc(hmac(sha1-generic)," + driver + ")";
  };
  const std::int32_t before = find(os::listKernelAlgorithms().algorithms, slow)->priority;
  const std::int32_t usual = find(os::listKernelAlgorithms().algorithms, "cbc(des3_ede-generic)")->priority;
  (void)os::setPriority(slow, usual - 1);
  CHECK(built("cbc(des3_ede-generic)"));
  const os::PriorityChange raised = os::setPriority(slow, 5000);
  CHECK_EQUAL(raised.before, usual - 1);
  CHECK_EQUAL(raised.inUse.size(), 0U);
  CHECK_EQUAL(find(os::listKernelAlgorithms().algorithms, slow)->priority, 5000);
  CHECK(built(slow));
  (void)os::setPriority(slow, usual - 1);
  CHECK(built("cbc(des3_ede-generic)"));
  (void)os::setPriority(slow, before);
}

TEST("crypto user: a driver that is not there is refused") {
  if (unavailable()) return;
  CHECK_THROWS(os::setPriority("abacus", 5000), os::OpenError);
}

TEST("crypto user: what is built on another driver than the chosen one, the outermost first") {
  const auto algorithm = [](const char* name, const char* driver, std::int32_t priority) {
    return crypto::KernelAlgorithm{.name = name,
                                   .driver = driver,
                                   .priority = priority,
                                   .selfTestPassed = true,
                                   .instance = std::string(driver).find('(') != std::string::npos};
  };
  const std::vector<crypto::KernelAlgorithm> all{
      algorithm("cbc(aes)", "cbc-aes-aesni", 400),
      algorithm("cbc(aes)", "virtio_crypto_aes_cbc", 5000),
      algorithm("cbc(aes)", "cryptd(cbc-aes-aesni)", 450),
      algorithm("authenc(hmac(sha1),cbc(aes))", "authenc(hmac(sha1-generic),cbc-aes-aesni)", 4000),
      algorithm("echainiv(authenc(hmac(sha1),cbc(aes)))", "echainiv(authenc(hmac(sha1-generic),cbc-aes-aesni))", 4000),
      algorithm("authenc(hmac(md5),cbc(aes))", "authenc(hmac(md5-generic),virtio_crypto_aes_cbc)", 4000),
      algorithm("__cbc(aes)", "cryptd(__cbc-aes-aesni)", 450),
      algorithm("authenc(hmac(sha1),cbc(des))", "authenc(hmac(sha1-generic),cbc(des-generic))", 4000)};
  std::string drivers;
  for (const auto& one : os::builtOnOthers(all, "cbc(aes)")) drivers += one.driver + "\n";
  CHECK_EQUAL(drivers,
              "echainiv(authenc(hmac(sha1-generic),cbc-aes-aesni))\nauthenc(hmac(sha1-generic),cbc-aes-aesni)\n");
}

}  // namespace gatehouse::test
