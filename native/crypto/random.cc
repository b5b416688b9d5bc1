#include "crypto/random.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <stdexcept>

#include "crypto/wipe.h"

namespace gatehouse::crypto {

namespace {

struct CipherDelete {
  void operator()(EVP_CIPHER* cipher) const noexcept { EVP_CIPHER_free(cipher); }
};
struct CipherContextDelete {
  void operator()(EVP_CIPHER_CTX* context) const noexcept { EVP_CIPHER_CTX_free(context); }
};

class CounterRandom final : public RandomSource {
 public:
  CounterRandom() : context_(EVP_CIPHER_CTX_new()) {
    OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, nullptr);
    cipher_.reset(EVP_CIPHER_fetch(nullptr, "AES-256-CTR", "provider=default"));
    if (!context_ || !cipher_) throw std::runtime_error("OpenSSL has no AES-256-CTR");
    fromKernel(std::span(pool_).first(seedLength));
    refill();
  }
  ~CounterRandom() override { wipe(std::span(pool_)); }

  void fill(std::span<std::uint8_t> octets) noexcept override {
    while (!octets.empty()) {
      if (used_ == pool_.size()) refill();
      const std::size_t count = std::min(octets.size(), pool_.size() - used_);
      const auto from = std::span(pool_).subspan(used_, count);
      std::ranges::copy(from, octets.begin());
      std::ranges::fill(from, std::uint8_t{0});
      used_ += count;
      octets = octets.subspan(count);
    }
  }

 private:
  /// A key and a first counter block.
  static constexpr std::size_t seedLength = 32 + 16;

  /// getrandom(2) gives up to 256 octets at once and whole; it waits only before the machine's pool is ready.
  static void fromKernel(std::span<std::uint8_t> octets) {
    for (;;) {
      const ssize_t got = getrandom(octets.data(), octets.size(), 0);
      if (got == static_cast<ssize_t>(octets.size())) return;
      if (got >= 0 || errno == EINTR) continue;
      throw std::runtime_error("the kernel gives no random octets (getrandom)");
    }
  }

  /// The first octets of the pool are the next key; the rest are for use.
  void refill() noexcept {
    std::array<std::uint8_t, seedLength> seed;
    std::ranges::copy(std::span(pool_).first(seedLength), seed.begin());
    std::ranges::fill(pool_, std::uint8_t{0});
    int written = 0;
    const bool done =
        EVP_EncryptInit_ex2(context_.get(), cipher_.get(), seed.data(), seed.data() + 32, nullptr) == 1 &&
        EVP_EncryptUpdate(context_.get(), pool_.data(), &written, pool_.data(), static_cast<int>(pool_.size())) == 1;
    wipe(std::span(seed));
    // IVs that can be foreseen are worse than no gateway.
    if (!done) std::terminate();
    used_ = seedLength;
  }

  std::unique_ptr<EVP_CIPHER_CTX, CipherContextDelete> context_;
  std::unique_ptr<EVP_CIPHER, CipherDelete> cipher_;
  std::array<std::uint8_t, 4096> pool_{};
  std::size_t used_ = pool_.size();
};

}  // namespace

std::unique_ptr<RandomSource> makeRandomSource() { return std::make_unique<CounterRandom>(); }

}  // namespace gatehouse::crypto
