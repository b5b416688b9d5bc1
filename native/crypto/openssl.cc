// The engine over OpenSSL: every processor. One packet after the other.
//
// Ciphers go through EVP, whose contexts hold an expanded key and are used by one thread only: each key keeps one for each engine context that
// has met it. HMAC goes through the hashes themselves from two stored states (RFC 2104 §4), because EVP's copies allocate for each packet.
// DES is 3DES with three equal keys: DES itself lives in the legacy provider, which is not in the archive.
#define OPENSSL_SUPPRESS_DEPRECATED  // the hashes' own functions
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/md5.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <stdexcept>
#include <variant>

#include "crypto/compare.h"
#include "crypto/context-numbers.h"
#include "crypto/engines.h"
#include "crypto/wipe.h"

namespace gatehouse::crypto {

namespace {

struct Md5 {
  using State = MD5_CTX;
  static constexpr std::size_t block = 64;
  static constexpr std::size_t digest = 16;
  static void init(State& s) { MD5_Init(&s); }
  static void update(State& s, const void* data, std::size_t length) { MD5_Update(&s, data, length); }
  static void final(State& s, std::uint8_t* out) { MD5_Final(out, &s); }
};

struct Sha1 {
  using State = SHA_CTX;
  static constexpr std::size_t block = 64;
  static constexpr std::size_t digest = 20;
  static void init(State& s) { SHA1_Init(&s); }
  static void update(State& s, const void* data, std::size_t length) { SHA1_Update(&s, data, length); }
  static void final(State& s, std::uint8_t* out) { SHA1_Final(out, &s); }
};

struct Sha256 {
  using State = SHA256_CTX;
  static constexpr std::size_t block = 64;
  static constexpr std::size_t digest = 32;
  static void init(State& s) { SHA256_Init(&s); }
  static void update(State& s, const void* data, std::size_t length) { SHA256_Update(&s, data, length); }
  static void final(State& s, std::uint8_t* out) { SHA256_Final(out, &s); }
};

struct Sha384 {
  using State = SHA512_CTX;
  static constexpr std::size_t block = 128;
  static constexpr std::size_t digest = 48;
  static void init(State& s) { SHA384_Init(&s); }
  static void update(State& s, const void* data, std::size_t length) { SHA384_Update(&s, data, length); }
  static void final(State& s, std::uint8_t* out) { SHA384_Final(out, &s); }
};

struct Sha512 {
  using State = SHA512_CTX;
  static constexpr std::size_t block = 128;
  static constexpr std::size_t digest = 64;
  static void init(State& s) { SHA512_Init(&s); }
  static void update(State& s, const void* data, std::size_t length) { SHA512_Update(&s, data, length); }
  static void final(State& s, std::uint8_t* out) { SHA512_Final(out, &s); }
};

/// HMAC with the key already taken in.
template <typename Hash>
class Hmac {
 public:
  explicit Hmac(std::span<const std::uint8_t> key) {
    begin(inner_, key, 0x36);
    begin(outer_, key, 0x5c);
  }
  Hmac(const Hmac&) = delete;
  Hmac& operator=(const Hmac&) = delete;
  ~Hmac() {
    wipe(&inner_, sizeof inner_);
    wipe(&outer_, sizeof outer_);
  }

  /// Writes the whole digest. `more` may be empty.
  void compute(std::span<const std::uint8_t> data, std::span<const std::uint8_t> more,
               std::uint8_t* out) const noexcept {
    typename Hash::State state = inner_;
    Hash::update(state, data.data(), data.size());
    if (!more.empty()) Hash::update(state, more.data(), more.size());
    std::array<std::uint8_t, Hash::digest> digest;
    Hash::final(state, digest.data());
    state = outer_;
    Hash::update(state, digest.data(), digest.size());
    Hash::final(state, out);
  }

 private:
  static void begin(typename Hash::State& state, std::span<const std::uint8_t> key, std::uint8_t pad) {
    std::array<std::uint8_t, Hash::block> block;
    block.fill(pad);
    for (std::size_t i = 0; i < key.size(); ++i) block[i] = static_cast<std::uint8_t>(block[i] ^ key[i]);
    Hash::init(state);
    Hash::update(state, block.data(), block.size());
    wipe(std::span(block));
  }

  typename Hash::State inner_;
  typename Hash::State outer_;
};

using AnyHmac = std::variant<std::monostate, Hmac<Md5>, Hmac<Sha1>, Hmac<Sha256>, Hmac<Sha384>, Hmac<Sha512>>;

void makeHmac(AnyHmac& hmac, Integrity integrity, std::span<const std::uint8_t> key) {
  switch (integrity) {
    case Integrity::hmacMd5_96: hmac.emplace<Hmac<Md5>>(key); break;
    case Integrity::hmacSha1_96: hmac.emplace<Hmac<Sha1>>(key); break;
    case Integrity::hmacSha256_128:
    case Integrity::hmacSha256_96: hmac.emplace<Hmac<Sha256>>(key); break;
    case Integrity::hmacSha384_192: hmac.emplace<Hmac<Sha384>>(key); break;
    case Integrity::hmacSha512_256: hmac.emplace<Hmac<Sha512>>(key); break;
    case Integrity::none: break;
  }
}

struct CipherDelete {
  void operator()(EVP_CIPHER* cipher) const noexcept { EVP_CIPHER_free(cipher); }
};
struct CipherContextDelete {
  void operator()(EVP_CIPHER_CTX* context) const noexcept { EVP_CIPHER_CTX_free(context); }
};
using EvpCipher = std::unique_ptr<EVP_CIPHER, CipherDelete>;
using EvpContext = std::unique_ptr<EVP_CIPHER_CTX, CipherContextDelete>;

/// Contexts beyond the remembered ones expand the key for each packet.
class OpensslKey final : public Key {
 public:
  OpensslKey(const Transform& transform, Direction direction, const EVP_CIPHER* cipher,
             std::span<const std::uint8_t> cipherKey, std::span<const std::uint8_t> integrityKey)
      : Key(transform, direction), cipher_(cipher) {
    if (transform.cipher == Cipher::desCbc) {
      for (std::size_t i = 0; i < 3; ++i)
        std::ranges::copy(cipherKey, key_.begin() + static_cast<std::ptrdiff_t>(i * 8));
    } else if (transform.cipher == Cipher::aesGcm) {
      std::ranges::copy(cipherKey.first(cipherKey.size() - gcmSaltLength), key_.begin());
      std::ranges::copy(cipherKey.last(gcmSaltLength), salt_.begin());
    } else {
      std::ranges::copy(cipherKey, key_.begin());
    }
    makeHmac(hmac_, transform.integrity, integrityKey);
  }
  ~OpensslKey() override {
    wipe(std::span(key_));
    wipe(std::span(salt_));
  }

  /// The context with the key in it for the engine context of this number, made at the first use. Null if OpenSSL has no memory.
  EVP_CIPHER_CTX* remembered(std::size_t number) noexcept {
    EvpContext& context = contexts_[number];
    if (!context) {
      EvpContext made(EVP_CIPHER_CTX_new());
      if (!made || !begin(made.get())) return nullptr;
      context = std::move(made);
    }
    return context.get();
  }

  /// Takes the key into a context.
  bool begin(EVP_CIPHER_CTX* context) const noexcept {
    const int seal = direction() == Direction::seal ? 1 : 0;
    return EVP_CipherInit_ex2(context, cipher_, key_.data(), nullptr, seal, nullptr) == 1 &&
           EVP_CIPHER_CTX_set_padding(context, 0) == 1;
  }

  [[nodiscard]] std::array<std::uint8_t, 12> nonce(const std::uint8_t* iv) const noexcept {
    std::array<std::uint8_t, 12> nonce;
    std::ranges::copy(salt_, nonce.begin());
    std::memcpy(nonce.data() + gcmSaltLength, iv, 8);
    return nonce;
  }

  /// The whole integrity value of the packet, of which transform().icvLength() octets count.
  void integrity(const Job& job, std::uint8_t* out) const noexcept {
    std::array<std::uint8_t, 4> high;
    writeBig32(high.data(), job.sequenceHigh);
    const std::span<const std::uint8_t> more(high.data(), transform().esn ? high.size() : 0);
    // Not std::visit, which can throw.
    compute<Md5>(job, more, out);
    compute<Sha1>(job, more, out);
    compute<Sha256>(job, more, out);
    compute<Sha384>(job, more, out);
    compute<Sha512>(job, more, out);
  }

 private:
  template <typename Hash>
  void compute(const Job& job, std::span<const std::uint8_t> more, std::uint8_t* out) const noexcept {
    if (const auto* hmac = std::get_if<Hmac<Hash>>(&hmac_)) hmac->compute({job.packet, job.length}, more, out);
  }

  const EVP_CIPHER* cipher_;
  std::array<std::uint8_t, 32> key_{};
  std::array<std::uint8_t, gcmSaltLength> salt_{};
  AnyHmac hmac_;
  std::array<EvpContext, rememberedContexts> contexts_;
};

class OpensslContext final : public Context {
 public:
  explicit OpensslContext(ContextNumbers& numbers)
      : numbers_(numbers), number_(numbers.take()), spare_(EVP_CIPHER_CTX_new()) {
    if (!spare_) throw std::bad_alloc();
  }
  ~OpensslContext() override { numbers_.giveBack(number_); }

  void seal(std::span<Job> jobs) noexcept override {
    for (Job& job : jobs) job.status = acceptable(job, Direction::seal) ? sealOne(job) : Status::failed;
  }

  void open(std::span<Job> jobs) noexcept override {
    for (Job& job : jobs) job.status = acceptable(job, Direction::open) ? openOne(job) : Status::failed;
  }

 private:
  EVP_CIPHER_CTX* contextFor(OpensslKey& key) noexcept {
    if (number_ < rememberedContexts) return key.remembered(number_);
    return key.begin(spare_.get()) ? spare_.get() : nullptr;
  }

  Status sealOne(Job& job) noexcept {
    auto& key = static_cast<OpensslKey&>(*job.key);
    if (key.transform().cipher == Cipher::aesGcm) return gcm<Direction::seal>(key, job);
    if (!chain(key, job)) return Status::failed;
    std::array<std::uint8_t, 64> computed;
    key.integrity(job, computed.data());
    std::memcpy(job.packet + job.length, computed.data(), key.icvLength());
    return Status::ok;
  }

  Status openOne(Job& job) noexcept {
    auto& key = static_cast<OpensslKey&>(*job.key);
    if (key.transform().cipher == Cipher::aesGcm) return gcm<Direction::open>(key, job);
    std::array<std::uint8_t, 64> computed;
    key.integrity(job, computed.data());
    if (!equalInConstantTime(computed.data(), job.packet + job.length, key.icvLength())) {
      return Status::badIntegrity;
    }
    return chain(key, job) ? Status::ok : Status::failed;
  }

  /// CBC in place, in the key's direction; with the NULL cipher nothing.
  bool chain(OpensslKey& key, const Job& job) noexcept {
    const Transform& t = key.transform();
    if (t.cipher == Cipher::null) return true;
    EVP_CIPHER_CTX* context = contextFor(key);
    if (context == nullptr) return false;
    std::uint8_t* text = job.packet + key.headRoom();
    const int length = static_cast<int>(job.length - key.headRoom());
    int written = 0;
    return EVP_CipherInit_ex2(context, nullptr, nullptr, job.packet + espHeaderLength, -1, nullptr) == 1 &&
           EVP_CipherUpdate(context, text, &written, text, length) == 1 && written == length;
  }

  template <Direction direction>
  Status gcm(OpensslKey& key, const Job& job) noexcept {
    EVP_CIPHER_CTX* context = contextFor(key);
    if (context == nullptr) return Status::failed;
    const auto nonce = key.nonce(job.packet + espHeaderLength);
    std::array<std::uint8_t, 12> aad;
    int aadLength = espHeaderLength;
    std::memcpy(aad.data(), job.packet, espHeaderLength);
    if (key.transform().esn) {
      writeBig32(aad.data() + 4, job.sequenceHigh);
      std::memcpy(aad.data() + 8, job.packet + 4, 4);
      aadLength = 12;
    }
    std::uint8_t* text = job.packet + key.headRoom();
    const int length = static_cast<int>(job.length - key.headRoom());
    std::uint8_t* icv = job.packet + job.length;
    int written = 0;
    if (EVP_CipherInit_ex2(context, nullptr, nullptr, nonce.data(), -1, nullptr) != 1) return Status::failed;
    if constexpr (direction == Direction::open) {
      if (EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, 16, icv) != 1) return Status::failed;
    }
    if (EVP_CipherUpdate(context, nullptr, &written, aad.data(), aadLength) != 1 ||
        EVP_CipherUpdate(context, text, &written, text, length) != 1) {
      return Status::failed;
    }
    if (EVP_CipherFinal_ex(context, text + written, &written) != 1) {
      return direction == Direction::open ? Status::badIntegrity : Status::failed;
    }
    if constexpr (direction == Direction::seal) {
      if (EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, 16, icv) != 1) return Status::failed;
    }
    return Status::ok;
  }

  ContextNumbers& numbers_;
  std::size_t number_;
  EvpContext spare_;
};

class OpensslEngine final : public Engine {
 public:
  OpensslEngine() {
    // Neither the machine's openssl.cnf nor a handler at exit: worker threads may still be running then.
    OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, nullptr);
    for (const auto& [cipher, keyBits, name] : names) {
      EvpCipher fetched(EVP_CIPHER_fetch(nullptr, name, "provider=default"));
      if (!fetched) throw std::runtime_error(std::string("OpenSSL has no ") + name);
      ciphers_.push_back({cipher, keyBits, std::move(fetched)});
    }
  }

  [[nodiscard]] std::string_view name() const noexcept override { return "openssl"; }
  [[nodiscard]] std::string description() const override { return OpenSSL_version(OPENSSL_VERSION); }
  [[nodiscard]] bool supports(const Transform& transform) const noexcept override { return transform.valid(); }

  [[nodiscard]] std::unique_ptr<Key> expand(const Transform& transform, Direction direction,
                                            std::span<const std::uint8_t> cipherKey,
                                            std::span<const std::uint8_t> integrityKey) const override {
    checkKeyLengths(*this, transform, cipherKey, integrityKey);
    return std::make_unique<OpensslKey>(transform, direction, find(transform), cipherKey, integrityKey);
  }

  [[nodiscard]] std::unique_ptr<Context> makeContext() override { return std::make_unique<OpensslContext>(numbers_); }

 private:
  struct Name {
    Cipher cipher;
    std::uint16_t keyBits;
    const char* name;
  };
  static constexpr std::array names{
      Name{Cipher::desCbc, 0, "DES-EDE3-CBC"},  Name{Cipher::tripleDesCbc, 0, "DES-EDE3-CBC"},
      Name{Cipher::aesCbc, 128, "AES-128-CBC"}, Name{Cipher::aesCbc, 192, "AES-192-CBC"},
      Name{Cipher::aesCbc, 256, "AES-256-CBC"}, Name{Cipher::aesGcm, 128, "AES-128-GCM"},
      Name{Cipher::aesGcm, 192, "AES-192-GCM"}, Name{Cipher::aesGcm, 256, "AES-256-GCM"},
  };
  struct Fetched {
    Cipher cipher;
    std::uint16_t keyBits;
    EvpCipher evp;
  };

  [[nodiscard]] const EVP_CIPHER* find(const Transform& transform) const noexcept {
    for (const Fetched& fetched : ciphers_) {
      if (fetched.cipher != transform.cipher) continue;
      if (fetched.keyBits == 0 || fetched.keyBits == transform.keyBits) return fetched.evp.get();
    }
    return nullptr;
  }

  std::vector<Fetched> ciphers_;
  ContextNumbers numbers_;
};

}  // namespace

std::unique_ptr<Engine> makeOpensslEngine() { return std::make_unique<OpensslEngine>(); }

}  // namespace gatehouse::crypto
