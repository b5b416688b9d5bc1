// The engine over Intel's multi-buffer library: packets of many SAs are worked on side by side in the lanes of its job manager.
//
// The walk of a batch: each packet becomes a job (GCM, which fills the processor with one packet, is done at once instead); a job comes back
// when its lanes have filled; what is left at the end is flushed. Jobs come back in the order in which they were given.
#include <intel-ipsec-mb.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <mutex>
#include <new>
#include <stdexcept>

#include "crypto/compare.h"
#include "crypto/engines.h"
#include "crypto/wipe.h"

namespace gatehouse::crypto {

namespace {

struct ManagerDelete {
  void operator()(IMB_MGR* manager) const noexcept { free_mb_mgr(manager); }
};
using Manager = std::unique_ptr<IMB_MGR, ManagerDelete>;

Manager makeManager() {
  Manager manager(alloc_mb_mgr(0));
  if (!manager) throw std::bad_alloc();
  IMB_ARCH arch = IMB_ARCH_NONE;
  init_mb_mgr_auto(manager.get(), &arch);
  if (arch == IMB_ARCH_NONE) throw std::runtime_error("ipsec-mb does not know this processor");
  return manager;
}

/// What ipsec-mb calls the integrity algorithm, and how much of the value is asked for. SHA2-256 gives 16 or 32 octets and no 12.
struct HashKind {
  IMB_HASH_ALG algorithm;
  std::size_t blockLength;
  std::size_t stateLength;
  std::size_t tagLength;
};

HashKind hashKind(Integrity integrity) {
  switch (integrity) {
    case Integrity::hmacMd5_96: return {IMB_AUTH_MD5, 64, 16, 12};
    case Integrity::hmacSha1_96: return {IMB_AUTH_HMAC_SHA_1, 64, 20, 12};
    case Integrity::hmacSha256_128:
    case Integrity::hmacSha256_96: return {IMB_AUTH_HMAC_SHA_256, 64, 32, 16};
    case Integrity::hmacSha384_192: return {IMB_AUTH_HMAC_SHA_384, 128, 64, 24};
    case Integrity::hmacSha512_256: return {IMB_AUTH_HMAC_SHA_512, 128, 64, 32};
    case Integrity::none: break;
  }
  return {IMB_AUTH_NULL, 0, 0, 0};
}

void hashOneBlock(IMB_MGR* manager, Integrity integrity, const std::uint8_t* block, std::uint8_t* state) {
  switch (integrity) {
    case Integrity::hmacMd5_96: IMB_MD5_ONE_BLOCK(manager, block, state); break;
    case Integrity::hmacSha1_96: IMB_SHA1_ONE_BLOCK(manager, block, state); break;
    case Integrity::hmacSha256_128:
    case Integrity::hmacSha256_96: IMB_SHA256_ONE_BLOCK(manager, block, state); break;
    case Integrity::hmacSha384_192: IMB_SHA384_ONE_BLOCK(manager, block, state); break;
    case Integrity::hmacSha512_256: IMB_SHA512_ONE_BLOCK(manager, block, state); break;
    case Integrity::none: break;
  }
}

/// Asks for the lines of memory; of ten thousand SAs' keys hardly any is in the cache when its packet comes.
void prefetch(const void* from, std::size_t octets) noexcept {
  const auto* at = static_cast<const std::uint8_t*>(from);
  for (std::size_t i = 0; i < octets; i += 64) __builtin_prefetch(at + i);
}

using GcmFunction = void (*)(const gcm_key_data*, gcm_context_data*, std::uint8_t*, const std::uint8_t*, std::uint64_t,
                             const std::uint8_t*, const std::uint8_t*, std::uint64_t, std::uint8_t*, std::uint64_t);

class GcmKey final : public Key {
 public:
  GcmKey(IMB_MGR* manager, const Transform& transform, Direction direction, std::span<const std::uint8_t> key)
      : Key(transform, direction) {
    const bool seal = direction == Direction::seal;
    switch (transform.keyBits) {
      case 128:
        IMB_AES128_GCM_PRE(manager, key.data(), &data_);
        run_ = seal ? manager->gcm128_enc : manager->gcm128_dec;
        break;
      case 192:
        IMB_AES192_GCM_PRE(manager, key.data(), &data_);
        run_ = seal ? manager->gcm192_enc : manager->gcm192_dec;
        break;
      default:
        IMB_AES256_GCM_PRE(manager, key.data(), &data_);
        run_ = seal ? manager->gcm256_enc : manager->gcm256_dec;
        break;
    }
    std::copy_n(key.end() - gcmSaltLength, gcmSaltLength, salt_.begin());
    // The powers of the hash key stand where the AVX512 functions want them, or where all others do.
    constexpr std::uint64_t wide = IMB_FEATURE_VAES | IMB_FEATURE_VPCLMULQDQ;
    wide_ = manager->used_arch == IMB_ARCH_AVX512 && (manager->features & wide) == wide;
  }
  ~GcmKey() override {
    wipe(&data_, sizeof data_);
    wipe(std::span(salt_));
  }

  /// What a packet of this length will read: the round keys, and as many powers of the hash key as it has blocks, the lowest of which stand last.
  void prefetchFor(std::size_t length) const noexcept {
    prefetch(data_.expanded_keys, sizeof data_.expanded_keys);
    if (!wide_) return prefetch(&data_.ghash_keys, sizeof data_.ghash_keys.sse_avx);
    constexpr std::size_t most = sizeof data_.ghash_keys.vaes_avx512;
    const std::size_t octets = std::min(most, length + 16);
    prefetch(data_.ghash_keys.vaes_avx512.shifted_hkey + (most - octets), octets);
  }

  /// RFC 4106: nonce = salt | IV; associated data = SPI | sequence (all 64 bits of it with ESN).
  void run(gcm_context_data& scratch, const Job& job, std::uint8_t* tag) const noexcept {
    std::array<std::uint8_t, 12> nonce;
    std::memcpy(nonce.data(), salt_.data(), gcmSaltLength);
    std::memcpy(nonce.data() + gcmSaltLength, job.packet + espHeaderLength, 8);
    std::array<std::uint8_t, 12> longHeader;
    const std::uint8_t* aad = job.packet;
    std::size_t aadLength = espHeaderLength;
    if (transform().esn) {
      std::memcpy(longHeader.data(), job.packet, 4);
      writeBig32(longHeader.data() + 4, job.sequenceHigh);
      std::memcpy(longHeader.data() + 8, job.packet + 4, 4);
      aad = longHeader.data();
      aadLength = longHeader.size();
    }
    constexpr std::size_t head = espHeaderLength + 8;
    std::uint8_t* text = job.packet + head;
    run_(&data_, &scratch, text, text, job.length - head, nonce.data(), aad, aadLength, tag, 16);
  }

 private:
  GcmFunction run_;
  std::array<std::uint8_t, gcmSaltLength> salt_;
  bool wide_;
  alignas(64) gcm_key_data data_;
};

class ChainKey final : public Key {
 public:
  ChainKey(IMB_MGR* manager, const Transform& transform, Direction direction, std::span<const std::uint8_t> cipherKey,
           std::span<const std::uint8_t> integrityKey)
      : Key(transform, direction),
        hash_(hashKind(transform.integrity).algorithm),
        tagLength_(hashKind(transform.integrity).tagLength) {
    expandCipher(manager, cipherKey);
    expandIntegrity(manager, integrityKey);
  }
  ~ChainKey() override {
    wipe(std::span(schedules_));
    wipe(std::span(inner_));
    wipe(std::span(outer_));
  }

  void prefetchAll() const noexcept {
    prefetch(schedules_.data(), scheduleLength_);
    prefetch(inner_.data(), sizeof inner_ + sizeof outer_);
  }

  /// Everything of the job but what is done with the tag. The ESN's high half must stand behind the packet already.
  void fill(IMB_JOB& job, const Job& packet) const noexcept {
    const Transform& t = transform();
    const bool seal = direction() == Direction::seal;
    const std::size_t head = headRoom();
    job.cipher_mode = cipherMode_;
    job.cipher_direction = seal ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT;
    job.chain_order = seal ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
    job.enc_keys = keys_;
    job.dec_keys = keys_;
    job.key_len_in_bytes = keyLength_;
    job.src = packet.packet;
    job.dst = packet.packet + head;
    job.cipher_start_src_offset_in_bytes = head;
    job.msg_len_to_cipher_in_bytes = packet.length - head;
    job.iv = packet.packet + espHeaderLength;
    job.iv_len_in_bytes = t.ivLength();
    job.hash_alg = hash_;
    job.hash_start_src_offset_in_bytes = 0;
    job.msg_len_to_hash_in_bytes = packet.length + (t.esn ? 4U : 0U);
    job.u.HMAC._hashed_auth_key_xor_ipad = inner_.data();
    job.u.HMAC._hashed_auth_key_xor_opad = outer_.data();
    job.auth_tag_output_len_in_bytes = tagLength_;
  }

 private:
  void expandCipher(IMB_MGR* manager, std::span<const std::uint8_t> key) {
    const bool seal = direction() == Direction::seal;
    switch (transform().cipher) {
      case Cipher::aesCbc: {
        // Both directions come out; only ours is kept.
        alignas(16) std::array<std::uint8_t, 240> other{};
        std::uint8_t* encrypt = seal ? schedules_.data() : other.data();
        std::uint8_t* decrypt = seal ? other.data() : schedules_.data();
        switch (transform().keyBits) {
          case 128: IMB_AES_KEYEXP_128(manager, key.data(), encrypt, decrypt); break;
          case 192: IMB_AES_KEYEXP_192(manager, key.data(), encrypt, decrypt); break;
          default: IMB_AES_KEYEXP_256(manager, key.data(), encrypt, decrypt); break;
        }
        wipe(std::span(other));
        cipherMode_ = IMB_CIPHER_CBC;
        keyLength_ = transform().keyBits / 8U;
        keys_ = schedules_.data();
        scheduleLength_ = size_t{16} * (transform().keyBits / 32U + 7U);
        break;
      }
      case Cipher::desCbc:
      case Cipher::tripleDesCbc:
        for (std::size_t i = 0; i * 8 < key.size(); ++i) {
          auto* schedule = reinterpret_cast<std::uint64_t*>(schedules_.data() + i * desScheduleLength);
          IMB_DES_KEYSCHED(manager, schedule, key.data() + i * 8);
          tripleDes_[i] = schedule;
        }
        keyLength_ = key.size();
        cipherMode_ = key.size() == 8 ? IMB_CIPHER_DES : IMB_CIPHER_DES3;
        keys_ = key.size() == 8 ? static_cast<const void*>(schedules_.data()) : tripleDes_.data();
        scheduleLength_ = key.size() / 8 * desScheduleLength;
        break;
      case Cipher::null:
      case Cipher::aesGcm: cipherMode_ = IMB_CIPHER_NULL; break;
    }
  }

  void expandIntegrity(IMB_MGR* manager, std::span<const std::uint8_t> key) {
    // The keys are shorter than a block (checkKeyLengths), so that RFC 2104's hashing of long ones does not arise.
    alignas(64) std::array<std::uint8_t, 128> block{};
    const auto pad = [&](std::uint8_t value, std::uint8_t* state) {
      block.fill(value);
      for (std::size_t i = 0; i < key.size(); ++i) block[i] = static_cast<std::uint8_t>(block[i] ^ key[i]);
      hashOneBlock(manager, transform().integrity, block.data(), state);
    };
    pad(0x36, inner_.data());
    pad(0x5c, outer_.data());
    wipe(std::span(block));
  }

  static constexpr std::size_t desScheduleLength = 128;

  IMB_HASH_ALG hash_;
  IMB_CIPHER_MODE cipherMode_ = IMB_CIPHER_NULL;
  std::size_t tagLength_;
  std::size_t keyLength_ = 0;
  std::size_t scheduleLength_ = 0;
  const void* keys_ = nullptr;
  alignas(64) std::array<std::uint8_t, 3 * desScheduleLength> schedules_{};
  alignas(16) std::array<std::uint8_t, 64> inner_{};
  alignas(16) std::array<std::uint8_t, 64> outer_{};
  std::array<const void*, 3> tripleDes_{};
};

/// ipsec-mb as its own benchmark would call it.
class BareContext final : public Context {
 public:
  BareContext() : manager_(makeManager()) {}
  ~BareContext() override { wipe(&gcmScratch_, sizeof gcmScratch_); }

  void seal(std::span<Job> jobs) noexcept override { run(jobs, true); }
  void open(std::span<Job> jobs) noexcept override { run(jobs, false); }

 private:
  void run(std::span<Job> jobs, bool sealing) noexcept {
    IMB_MGR* manager = manager_.get();
    std::array<std::uint8_t, maximumIcvLength> tag;
    for (Job& job : jobs) {
      std::uint8_t* icv = sealing ? job.packet + job.length : tag.data();
      job.status = Status::ok;
      if (job.key->transform().cipher == Cipher::aesGcm) {
        static_cast<const GcmKey&>(*job.key).run(gcmScratch_, job, icv);
        continue;
      }
      IMB_JOB* mb = IMB_GET_NEXT_JOB(manager);
      static_cast<const ChainKey&>(*job.key).fill(*mb, job);
      mb->auth_tag_output = icv;
      for (IMB_JOB* done = IMB_SUBMIT_JOB_NOCHECK(manager); done != nullptr;) done = IMB_GET_COMPLETED_JOB(manager);
    }
    for (IMB_JOB* done = IMB_FLUSH_JOB(manager); done != nullptr;) done = IMB_FLUSH_JOB(manager);
  }

  Manager manager_;
  alignas(64) gcm_context_data gcmScratch_{};
};

class IpsecMbContext final : public Context {
 public:
  IpsecMbContext() : manager_(makeManager()) {}
  ~IpsecMbContext() override {
    wipe(std::span(slots_));
    wipe(&gcmScratch_, sizeof gcmScratch_);
  }

  void seal(std::span<Job> jobs) noexcept override { inPieces<Direction::seal>(jobs); }
  void open(std::span<Job> jobs) noexcept override { inPieces<Direction::open>(jobs); }

 private:
  /// Beside each job that is under way.
  struct Slot {
    std::array<std::uint8_t, maximumIcvLength> computed;
    std::array<std::uint8_t, maximumIcvLength> received;
  };

  template <Direction direction>
  void inPieces(std::span<Job> jobs) noexcept {
    while (!jobs.empty()) {
      const std::size_t count = std::min<std::size_t>(jobs.size(), slots_.size());
      batch<direction>(jobs.first(count));
      jobs = jobs.subspan(count);
    }
  }

  template <Direction direction>
  void batch(std::span<Job> jobs) noexcept {
    IMB_MGR* manager = manager_.get();
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      Job& job = jobs[i];
      if (i + 2 * keysAhead < jobs.size()) __builtin_prefetch(jobs[i + 2 * keysAhead].key);
      if (i + keysAhead < jobs.size()) prefetchKey(jobs[i + keysAhead]);
      if (!acceptable(job, direction)) {
        job.status = Status::failed;
      } else if (job.key->transform().cipher == Cipher::aesGcm) {
        gcm<direction>(job);
      } else {
        IMB_JOB* mb = IMB_GET_NEXT_JOB(manager);
        prepare<direction>(*mb, job, slots_[i]);
        for (IMB_JOB* done = IMB_SUBMIT_JOB_NOCHECK(manager); done != nullptr; done = IMB_GET_COMPLETED_JOB(manager)) {
          finish<direction>(*done);
        }
      }
    }
    for (IMB_JOB* done = IMB_FLUSH_JOB(manager); done != nullptr; done = IMB_FLUSH_JOB(manager)) {
      finish<direction>(*done);
    }
  }

  /// How many packets before its own a key is asked for: the memory's latency, in packets of any length.
  static constexpr std::size_t keysAhead = 4;

  static void prefetchKey(const Job& job) noexcept {
    if (job.key == nullptr) return;
    if (job.key->transform().cipher == Cipher::aesGcm) {
      static_cast<const GcmKey&>(*job.key).prefetchFor(job.length);
    } else {
      static_cast<const ChainKey&>(*job.key).prefetchAll();
    }
  }

  template <Direction direction>
  void gcm(Job& job) noexcept {
    const auto& key = static_cast<const GcmKey&>(*job.key);
    std::uint8_t* icv = job.packet + job.length;
    if constexpr (direction == Direction::seal) {
      key.run(gcmScratch_, job, icv);
      job.status = Status::ok;
    } else {
      std::array<std::uint8_t, 16> computed;
      key.run(gcmScratch_, job, computed.data());
      job.status = equalInConstantTime(computed.data(), icv, computed.size()) ? Status::ok : Status::badIntegrity;
    }
  }

  template <Direction direction>
  static void prepare(IMB_JOB& mb, Job& job, Slot& slot) noexcept {
    const auto& key = static_cast<const ChainKey&>(*job.key);
    const Transform& t = key.transform();
    std::uint8_t* icv = job.packet + job.length;
    key.fill(mb, job);
    if constexpr (direction == Direction::open) std::memcpy(slot.received.data(), icv, key.icvLength());
    // RFC 4303 §2.2.1: the high half is hashed as if it stood at the packet's end. The ICV's place is free for it.
    if (t.esn) writeBig32(icv, job.sequenceHigh);
    const bool inPlace = direction == Direction::seal && t.integrity != Integrity::hmacSha256_96;
    mb.auth_tag_output = inPlace ? icv : slot.computed.data();
    mb.user_data = &job;
    mb.user_data2 = &slot;
  }

  template <Direction direction>
  static void finish(IMB_JOB& mb) noexcept {
    Job& job = *static_cast<Job*>(mb.user_data);
    const Slot& slot = *static_cast<Slot*>(mb.user_data2);
    if (mb.status != IMB_STATUS_COMPLETED) {
      job.status = Status::failed;
      return;
    }
    const Transform& t = job.key->transform();
    if constexpr (direction == Direction::seal) {
      if (t.integrity == Integrity::hmacSha256_96) {
        std::memcpy(job.packet + job.length, slot.computed.data(), job.key->icvLength());
      }
      job.status = Status::ok;
    } else {
      const bool equal = equalInConstantTime(slot.computed.data(), slot.received.data(), job.key->icvLength());
      job.status = equal ? Status::ok : Status::badIntegrity;
    }
  }

  Manager manager_;
  gcm_context_data gcmScratch_;
  std::array<Slot, IMB_MAX_JOBS> slots_;
};

class IpsecMbEngine final : public Engine {
 public:
  IpsecMbEngine() : manager_(makeManager()) {}

  [[nodiscard]] std::string_view name() const noexcept override { return "ipsec-mb"; }

  [[nodiscard]] std::string description() const override {
    const char* arch = "?";
    switch (manager_->used_arch) {
      case IMB_ARCH_NOAESNI: arch = "SSE without AES-NI"; break;
      case IMB_ARCH_SSE: arch = "SSE"; break;
      case IMB_ARCH_AVX: arch = "AVX"; break;
      case IMB_ARCH_AVX2: arch = "AVX2"; break;
      case IMB_ARCH_AVX512: arch = "AVX512"; break;
      default: break;
    }
    return std::string("ipsec-mb ") + IMB_VERSION_STR + " (" + arch + ")";
  }

  [[nodiscard]] bool supports(const Transform& transform) const noexcept override { return transform.valid(); }

  [[nodiscard]] std::unique_ptr<Key> expand(const Transform& transform, Direction direction,
                                            std::span<const std::uint8_t> cipherKey,
                                            std::span<const std::uint8_t> integrityKey) const override {
    checkKeyLengths(*this, transform, cipherKey, integrityKey);
    // The expansions only read the manager, but one of them at a time costs nothing and asks for no promise.
    const std::lock_guard lock(mutex_);
    if (transform.cipher == Cipher::aesGcm) {
      return std::make_unique<GcmKey>(manager_.get(), transform, direction, cipherKey);
    }
    return std::make_unique<ChainKey>(manager_.get(), transform, direction, cipherKey, integrityKey);
  }

  [[nodiscard]] std::unique_ptr<Context> makeContext() override { return std::make_unique<IpsecMbContext>(); }
  [[nodiscard]] std::unique_ptr<Context> makeBareContext() override { return std::make_unique<BareContext>(); }

 private:
  Manager manager_;
  mutable std::mutex mutex_;
};

}  // namespace

bool ipsecMbAvailable() {
  static const bool available = [] {
    const std::unique_ptr<IMB_MGR, ManagerDelete> manager(alloc_mb_mgr(0));
    if (!manager) return false;
    IMB_ARCH arch = IMB_ARCH_NONE;
    init_mb_mgr_auto(manager.get(), &arch);
    return arch != IMB_ARCH_NONE;
  }();
  return available;
}

std::unique_ptr<Engine> makeIpsecMbEngine() { return std::make_unique<IpsecMbEngine>(); }

}  // namespace gatehouse::crypto
