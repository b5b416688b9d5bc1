// The engine over AF_ALG. A key is a socket that is bound to an algorithm; each context has sockets of operations of its own for each key that it has met.
// A packet takes two system calls: its octets in (they are copied), its octets out, straight into place.
//
//   AES-GCM      rfc4106(gcm(aes)), whose input is just the packet: header, IV, text, ICV
//   CBC + HMAC   authenc(hmac(...),cbc(...)) where the kernel gives that away, likewise; otherwise, and always with extended sequence numbers, a cipher
//                and a hash by themselves
//
// Where the driver is asynchronous, a batch's packets are with it side by side: a socket holds one operation at a time, so each key has several, and outputs are
// waited for all together. Packets of a synchronous driver are done in their turn: there nothing could be gained.
#include "crypto/af-alg.h"

#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <mutex>
#include <optional>
#include <stdexcept>

#include "crypto/af-alg-socket.h"
#include "crypto/compare.h"
#include "crypto/context-numbers.h"
#include "crypto/engines.h"
#include "crypto/kernel-algorithms.h"
#include "crypto/wipe.h"

namespace gatehouse::crypto {

namespace {

using af_alg::Completions;
using af_alg::Operation;
using af_alg::Pieces;
using os::File;

constexpr std::size_t mostOutstanding = 8;
/// Before the key of authenc stand a route attribute and, in it, the cipher key's length (include/crypto/authenc.h of the kernel).
struct RouteAttribute {
  std::uint16_t length;
  std::uint16_t type;
};
constexpr std::size_t combinedKeyHeader = sizeof(RouteAttribute) + 4;

struct AlgorithmName {
  const char* type;
  const char* name;
};

constexpr AlgorithmName cipherAlgorithm(Cipher cipher) {
  switch (cipher) {
    case Cipher::desCbc: return {"skcipher", "cbc(des)"};
    case Cipher::tripleDesCbc: return {"skcipher", "cbc(des3_ede)"};
    case Cipher::aesCbc: return {"skcipher", "cbc(aes)"};
    case Cipher::aesGcm: return {"aead", "rfc4106(gcm(aes))"};
    case Cipher::null: break;
  }
  return {"", ""};
}

constexpr const char* hashAlgorithm(Integrity integrity) {
  switch (integrity) {
    case Integrity::hmacMd5_96: return "hmac(md5)";
    case Integrity::hmacSha1_96: return "hmac(sha1)";
    case Integrity::hmacSha256_128:
    case Integrity::hmacSha256_96: return "hmac(sha256)";
    case Integrity::hmacSha384_192: return "hmac(sha384)";
    case Integrity::hmacSha512_256: return "hmac(sha512)";
    case Integrity::none: break;
  }
  return "";
}

constexpr std::array ciphers{Cipher::desCbc, Cipher::tripleDesCbc, Cipher::aesCbc, Cipher::aesGcm};
constexpr std::array integrities{Integrity::hmacMd5_96, Integrity::hmacSha1_96, Integrity::hmacSha256_128,
                                 Integrity::hmacSha384_192, Integrity::hmacSha512_256};

/// One socket of operations; closed after a failure that may have left something in it, and opened again by the next packet.
struct Lane {
  File socket;
  bool busy = false;
};

/// What one context has for one key.
struct Lanes {
  std::array<Lane, mostOutstanding> cipher;
  Lane hash;
};

class AfAlgKey final : public Key {
 public:
  /// `cipher` does the text, or the whole packet where `combined`; `hash` is closed where there is nothing left for it.
  AfAlgKey(const Transform& transform, Direction direction, File cipher, File hash, bool combined, bool asynchronous)
      : Key(transform, direction),
        cipher_(std::move(cipher)),
        hash_(std::move(hash)),
        combined_(combined),
        asynchronous_(asynchronous) {}

  [[nodiscard]] const File& cipher() const noexcept { return cipher_; }
  [[nodiscard]] const File& hash() const noexcept { return hash_; }
  /// Text and integrity in one operation.
  [[nodiscard]] bool combined() const noexcept { return combined_; }
  [[nodiscard]] bool asynchronous() const noexcept { return asynchronous_; }

  /// Null if there is no memory.
  Lanes* lanes(std::size_t context) noexcept {
    auto& lanes = lanes_[context];
    if (!lanes) lanes.reset(new (std::nothrow) Lanes);
    return lanes.get();
  }

 private:
  File cipher_;
  File hash_;
  bool combined_;
  bool asynchronous_;
  std::array<std::unique_ptr<Lanes>, rememberedContexts> lanes_;
};

AfAlgKey& keyOf(const Job& job) { return static_cast<AfAlgKey&>(*job.key); }

bool ready(Lane& lane, const File& algorithm) noexcept {
  if (!lane.socket.open()) lane.socket = af_alg::openOperation(algorithm);
  return lane.socket.open();
}

class AfAlgContext final : public Context {
 public:
  AfAlgContext(ContextNumbers& numbers, std::size_t outstanding)
      : numbers_(numbers), number_(numbers.take()), outstanding_(std::min(outstanding, mostOutstanding)) {
    for (std::size_t i = 0; i < Completions::slots; ++i) free_[i] = i;
  }
  ~AfAlgContext() override { numbers_.giveBack(number_); }

  void seal(std::span<Job> jobs) noexcept override { run(jobs, Direction::seal); }
  void open(std::span<Job> jobs) noexcept override { run(jobs, Direction::open); }

 private:
  /// A packet that is with the driver.
  struct Pending {
    Job* job;
    Lane* lane;
    Pieces output;
    std::array<std::uint8_t, 4> high;
  };

  void run(std::span<Job> jobs, Direction direction) noexcept {
    for (Job& job : jobs) {
      job.status = Status::failed;
      if (acceptable(job, direction)) begin(job);
    }
    while (freeCount_ < Completions::slots) reap();
  }

  void begin(Job& job) noexcept {
    AfAlgKey& key = keyOf(job);
    // Contexts without a number of their own open sockets for each packet.
    Lanes passing;
    Lanes* lanes = number_ < rememberedContexts ? key.lanes(number_) : &passing;
    if (lanes == nullptr) return;
    if (key.hash().open() && key.direction() == Direction::open && !verify(key, *lanes, job)) return;
    if (!key.cipher().open()) return finish(job, *lanes, Status::ok);
    if (lanes != &passing && key.asynchronous() && outstanding_ != 0 && completionsAvailable())
      return ask(key, *lanes, job);
    Lane& lane = lanes->cipher[0];
    std::array<std::uint8_t, 4> high;
    Pieces output;
    if (!give(key, lane, job, high, output)) return;
    finish(job, *lanes, outcome(lane, output, af_alg::receive(lane.socket, output)));
  }

  /// Made at the first packet of an asynchronous driver: taking them down again waits for all processors, which takes milliseconds.
  bool completionsAvailable() noexcept {
    if (!completions_) completions_.emplace();
    return completions_->available();
  }

  /// Gives the packet to a free lane of its key, and waits only if there is none.
  void ask(AfAlgKey& key, Lanes& lanes, Job& job) noexcept {
    Lane* lane = nullptr;
    for (;;) {
      for (std::size_t i = 0; i < outstanding_ && lane == nullptr; ++i) {
        if (!lanes.cipher[i].busy) lane = &lanes.cipher[i];
      }
      if (lane != nullptr && freeCount_ != 0) break;
      lane = nullptr;
      reap();
    }
    const std::size_t slot = free_[--freeCount_];
    Pending& pending = pending_[slot];
    pending.job = &job;
    pending.lane = lane;
    pending.output = {};
    if (give(key, *lane, job, pending.high, pending.output)) {
      if (completions_->ask(slot, lane->socket, pending.output)) {
        lane->busy = true;
        return;
      }
      lane->socket.close();
    }
    free_[freeCount_++] = slot;
  }

  void reap() noexcept {
    for (const auto& [slot, result] : completions_->wait()) {
      Pending& pending = pending_[slot];
      pending.lane->busy = false;
      Lanes* lanes = keyOf(*pending.job).lanes(number_);
      finish(*pending.job, *lanes, outcome(*pending.lane, pending.output, result));
      free_[freeCount_++] = slot;
    }
  }

  /// Writes down where the output goes, and hands the input over.
  bool give(AfAlgKey& key, Lane& lane, const Job& job, std::array<std::uint8_t, 4>& high, Pieces& output) noexcept {
    if (!ready(lane, key.cipher())) return false;
    const bool sealing = key.direction() == Direction::seal;
    Operation operation{.encrypt = sealing, .iv = {job.packet + espHeaderLength, key.headRoom() - espHeaderLength}};
    Pieces input;
    if (key.combined()) {
      operation.associated = static_cast<std::uint32_t>(key.headRoom());
      std::uint8_t* rest = job.packet;
      std::size_t length = job.length;
      if (key.transform().esn) {
        operation.associated += 4;
        writeBig32(high.data(), job.sequenceHigh);
        for (Pieces* pieces : {&input, &output}) {
          pieces->add(job.packet, 4);
          pieces->add(high.data(), high.size());
        }
        rest += 4;
        length -= 4;
      }
      input.add(rest, length + (sealing ? 0 : key.icvLength()));
      output.add(rest, length + (sealing ? key.icvLength() : 0));
    } else {
      input.add(job.packet + key.headRoom(), job.length - key.headRoom());
      output = input;
    }
    if (af_alg::send(lane.socket, operation, input)) return true;
    lane.socket.close();
    return false;
  }

  static Status outcome(Lane& lane, const Pieces& output, std::int64_t result) noexcept {
    if (result == -EBADMSG) return Status::badIntegrity;
    if (result >= 0 && static_cast<std::size_t>(result) == output.octets()) return Status::ok;
    lane.socket.close();
    return Status::failed;
  }

  void finish(Job& job, Lanes& lanes, Status status) noexcept {
    AfAlgKey& key = keyOf(job);
    job.status = status;
    if (status != Status::ok || !key.hash().open() || key.direction() == Direction::open) return;
    std::array<std::uint8_t, maximumIcvLength> computed;
    if (!hash(key, lanes, job, computed)) {
      job.status = Status::failed;
      return;
    }
    std::memcpy(job.packet + job.length, computed.data(), key.icvLength());
  }

  bool verify(AfAlgKey& key, Lanes& lanes, Job& job) noexcept {
    std::array<std::uint8_t, maximumIcvLength> computed;
    if (!hash(key, lanes, job, computed)) return false;
    if (equalInConstantTime(computed.data(), job.packet + job.length, key.icvLength())) return true;
    job.status = Status::badIntegrity;
    return false;
  }

  /// As many octets of the integrity value as count.
  static bool hash(AfAlgKey& key, Lanes& lanes, const Job& job,
                   std::span<std::uint8_t, maximumIcvLength> out) noexcept {
    Lane& lane = lanes.hash;
    if (!ready(lane, key.hash())) return false;
    std::array<std::uint8_t, 4> high;
    Pieces input;
    input.add(job.packet, job.length);
    if (key.transform().esn) {
      writeBig32(high.data(), job.sequenceHigh);
      input.add(high.data(), high.size());
    }
    Pieces output;
    output.add(out.data(), key.icvLength());
    if (af_alg::send(lane.socket, input) &&
        af_alg::receive(lane.socket, output) == static_cast<std::int64_t>(key.icvLength())) {
      return true;
    }
    lane.socket.close();
    return false;
  }

  ContextNumbers& numbers_;
  std::size_t number_;
  std::size_t outstanding_;
  std::optional<Completions> completions_;
  std::array<Pending, Completions::slots> pending_{};
  std::array<std::size_t, Completions::slots> free_{};
  std::size_t freeCount_ = Completions::slots;
};

/// One algorithm as the engine will ask for it.
struct Part {
  /// What is bound to: the algorithm's name, or a driver's.
  std::string name;
  bool available = false;
  bool asynchronous = false;
};

class AfAlgEngine final : public Engine {
 public:
  explicit AfAlgEngine(const AfAlgOptions& options) : options_(options) {
    for (const std::string& driver : options.drivers) name_ += (name_ == "af-alg" ? ":" : ",") + driver;
    for (const Cipher cipher : ciphers) ciphers_[cipher].name = cipherAlgorithm(cipher).name;
    for (const Integrity integrity : integrities) hashes_[hashAlgorithm(integrity)].name = hashAlgorithm(integrity);
  }

  /// Takes the drivers that are asked for, and looks what the kernel has. False if it lacks a driver, or all ciphers.
  bool look() {
    for (const std::string& driver : options_.drivers) {
      if (!take(driver)) return false;
    }
    bool any = false;
    for (const Cipher cipher : ciphers) {
      Part& part = ciphers_[cipher];
      part.available = af_alg::bindAlgorithm(cipherAlgorithm(cipher).type, part.name).open();
      any = any || part.available;
    }
    for (auto& [name, part] : hashes_) part.available = af_alg::bindAlgorithm("hash", part.name).open();
    // Templates are in the list only after they have been asked for.
    const auto algorithms = readProcCrypto();
    for (auto& [cipher, part] : ciphers_) {
      const KernelAlgorithm* chosen = choose(algorithms, part.name);
      part.asynchronous = part.asynchronous || (chosen != nullptr && chosen->asynchronous);
    }
    return any;
  }

  [[nodiscard]] std::string_view name() const noexcept override { return name_; }

  [[nodiscard]] std::string description() const override {
    utsname system{};
    std::string text = "AF_ALG";
    if (::uname(&system) == 0) text.append(", Linux ").append(system.release);
    for (const std::string& driver : options_.drivers) text.append(", ").append(driver);
    return text;
  }

  [[nodiscard]] bool supports(const Transform& transform) const noexcept override {
    if (!transform.valid()) return false;
    if (transform.cipher != Cipher::null && !ciphers_.find(transform.cipher)->second.available) return false;
    return transform.integrity == Integrity::none || hash(transform.integrity).available;
  }

  [[nodiscard]] std::unique_ptr<Key> expand(const Transform& transform, Direction direction,
                                            std::span<const std::uint8_t> cipherKey,
                                            std::span<const std::uint8_t> integrityKey) const override {
    checkKeyLengths(*this, transform, cipherKey, integrityKey);
    const bool null = transform.cipher == Cipher::null;
    const bool asynchronous = !null && ciphers_.find(transform.cipher)->second.asynchronous;
    if (transform.cipher == Cipher::aesGcm) {
      File aead = keyed(transform, "aead", ciphers_.find(transform.cipher)->second.name, cipherKey);
      return std::make_unique<AfAlgKey>(transform, direction, std::move(aead), File(), true, asynchronous);
    }
    if (const std::string both = null || transform.esn ? std::string() : combinedName(transform); !both.empty()) {
      const CombinedKey key(cipherKey, integrityKey);
      File aead = keyed(transform, "aead", both, key.octets());
      return std::make_unique<AfAlgKey>(transform, direction, std::move(aead), File(), true, asynchronous);
    }
    File cipher;
    if (!null) cipher = keyed(transform, "skcipher", ciphers_.find(transform.cipher)->second.name, cipherKey);
    File integrity = keyed(transform, "hash", hash(transform.integrity).name, integrityKey);
    return std::make_unique<AfAlgKey>(transform, direction, std::move(cipher), std::move(integrity), false,
                                      asynchronous);
  }

  [[nodiscard]] std::unique_ptr<Context> makeContext() override {
    return std::make_unique<AfAlgContext>(numbers_, options_.outstanding);
  }

 private:
  /// A key of authenc, wiped when it goes.
  class CombinedKey {
   public:
    CombinedKey(std::span<const std::uint8_t> cipherKey, std::span<const std::uint8_t> integrityKey)
        : length_(combinedKeyHeader + integrityKey.size() + cipherKey.size()) {
      const RouteAttribute attribute{.length = combinedKeyHeader, .type = 1};
      std::memcpy(octets_.data(), &attribute, sizeof attribute);
      writeBig32(octets_.data() + sizeof attribute, static_cast<std::uint32_t>(cipherKey.size()));
      const auto behind = std::ranges::copy(integrityKey, octets_.begin() + combinedKeyHeader).out;
      std::ranges::copy(cipherKey, behind);
    }
    CombinedKey(const CombinedKey&) = delete;
    CombinedKey& operator=(const CombinedKey&) = delete;
    ~CombinedKey() { wipe(std::span(octets_)); }

    [[nodiscard]] std::span<const std::uint8_t> octets() const { return {octets_.data(), length_}; }

   private:
    std::array<std::uint8_t, combinedKeyHeader + 64 + 32> octets_{};
    std::size_t length_;
  };

  /// Uses a driver for the algorithm that it registers. Templates such as cryptd are made by being asked for.
  bool take(const std::string& driver) {
    auto algorithms = readProcCrypto();
    const auto registered = [&] {
      return std::ranges::find_if(algorithms,
                                  [&](const KernelAlgorithm& a) { return a.driver == driver && !a.internal; });
    };
    for (const char* type : {"skcipher", "aead", "hash"}) {
      if (registered() != algorithms.end()) break;
      if (af_alg::bindAlgorithm(type, driver).open()) algorithms = readProcCrypto();
    }
    const auto found = registered();
    if (found == algorithms.end() || !found->selfTestPassed) return false;
    if (found->name == "gcm(aes)") {
      ciphers_[Cipher::aesGcm] = {.name = "rfc4106(" + driver + ")", .asynchronous = found->asynchronous};
      return true;
    }
    for (auto& [cipher, part] : ciphers_) {
      if (found->name == cipherAlgorithm(cipher).name) part = {.name = driver, .asynchronous = found->asynchronous};
    }
    if (const auto hash = hashes_.find(found->name); hash != hashes_.end()) hash->second.name = driver;
    if (found->name.starts_with("authenc(")) combined_[found->name] = driver;
    return true;
  }

  [[nodiscard]] const Part& hash(Integrity integrity) const noexcept {
    return hashes_.find(hashAlgorithm(integrity))->second;
  }

  /// The AEAD that does both, or empty if the kernel gives none away. The first question for a pair makes the kernel build it.
  [[nodiscard]] std::string combinedName(const Transform& transform) const {
    if (!options_.combined) return {};
    const std::string algorithm = std::string("authenc(") + hashAlgorithm(transform.integrity) + "," +
                                  cipherAlgorithm(transform.cipher).name + ")";
    const std::lock_guard lock(mutex_);
    const auto [entry, isNew] = combined_.try_emplace(algorithm);
    if (isNew) {
      std::string name =
          "authenc(" + hash(transform.integrity).name + "," + ciphers_.find(transform.cipher)->second.name + ")";
      if (af_alg::bindAlgorithm("aead", name).open()) entry->second = std::move(name);
    }
    return entry->second;
  }

  static File keyed(const Transform& transform, const char* type, const std::string& name,
                    std::span<const std::uint8_t> key) {
    const auto refuse = [&](const char* what) {
      throw std::invalid_argument("the kernel's " + name + " " + what + " " + nameOf(transform) + ": " +
                                  std::strerror(errno));
    };
    File algorithm = af_alg::bindAlgorithm(type, name);
    if (!algorithm.open()) refuse("can't be had for");
    if (!af_alg::setKey(algorithm, key)) refuse("refuses the key of");
    if (std::string_view(type) == "aead" && !af_alg::setTagLength(algorithm, transform.icvLength())) {
      refuse("refuses the ICV of");
    }
    return algorithm;
  }

  AfAlgOptions options_;
  std::string name_ = "af-alg";
  std::map<Cipher, Part> ciphers_;
  std::map<std::string_view, Part> hashes_;
  mutable std::mutex mutex_;
  /// By algorithm, what is bound to; empty if there is nothing.
  mutable std::map<std::string, std::string> combined_;
  ContextNumbers numbers_;
};

std::vector<std::string> splitDrivers(std::string_view text) {
  std::vector<std::string> drivers{""};
  int depth = 0;
  for (const char c : text) {
    if (c == '(') ++depth;
    if (c == ')') --depth;
    if (c == ',' && depth == 0) {
      drivers.emplace_back();
    } else {
      drivers.back() += c;
    }
  }
  return drivers;
}

bool servesEsp(const KernelAlgorithm& algorithm) {
  for (const Cipher cipher : ciphers) {
    if (algorithm.name == cipherAlgorithm(cipher).name) return true;
  }
  for (const Integrity integrity : integrities) {
    if (algorithm.name == hashAlgorithm(integrity)) return true;
  }
  return false;
}

}  // namespace

bool afAlgAvailable() { return af_alg::bindAlgorithm("skcipher", "cbc(aes)").open(); }

std::unique_ptr<Engine> makeAfAlgEngine(const AfAlgOptions& options) {
  auto engine = std::make_unique<AfAlgEngine>(options);
  if (!engine->look()) return nullptr;
  return engine;
}

std::unique_ptr<Engine> makeAfAlgEngine(std::string_view name) {
  constexpr std::string_view plain = "af-alg";
  if (name == plain) return makeAfAlgEngine(AfAlgOptions{});
  if (!name.starts_with(plain) || name.size() < plain.size() + 2 || name[plain.size()] != ':') return nullptr;
  return makeAfAlgEngine(AfAlgOptions{.drivers = splitDrivers(name.substr(plain.size() + 1))});
}

std::vector<std::string> afAlgDriverEngines() {
  std::vector<std::string> names;
  if (!afAlgAvailable()) return names;
  for (const KernelAlgorithm& algorithm : readProcCrypto()) {
    if (!algorithm.selfTestPassed || algorithm.internal || !servesEsp(algorithm)) continue;
    std::string name = "af-alg:" + algorithm.driver;
    if (std::ranges::find(names, name) == names.end()) names.push_back(std::move(name));
  }
  return names;
}

}  // namespace gatehouse::crypto
