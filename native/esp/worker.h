// CONTRACT. Seals and opens batches of ESP packets (RFC 4303 §3.3, §3.4): no threads and no system calls of its own, no allocation per packet.
// One object for each worker thread; any SA may be used by several of them at once.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "crypto/engine.h"
#include "crypto/random.h"
#include "esp/sa-table.h"
#include "esp/sa.h"

namespace gatehouse::esp {

inline constexpr std::uint8_t nextHeaderNone = 59;

enum class SealResult : std::uint8_t {
  ok,
  /// The sequence numbers are used up; the SA sends nothing more (RFC 4303 §3.3.3).
  exhausted,
  /// More than a UDP datagram holds.
  tooLong,
  engineFailed
};

struct OutboundPacket {
  // In. `payload` has sa->headRoom() writable octets in front of it and sa->tailRoom() behind its `length`.
  OutboundSa* sa = nullptr;
  std::uint8_t* payload = nullptr;
  std::uint32_t length = 0;
  std::uint8_t nextHeader = 0;
  /// Which truncation its place was measured for: what sa->switched() said then.
  bool switched = false;

  // Out.
  SealResult result = SealResult::engineFailed;
  /// This packet passed three quarters of the sequence space. Set on exactly one packet in the life of an SA.
  bool sequenceLow = false;
  /// The sealed packet, SPI first; undefined unless ok.
  std::uint8_t* esp = nullptr;
  std::uint32_t espLength = 0;
};

enum class OpenResult : std::uint8_t {
  ok,
  /// Shorter than header, IV and ICV, or not whole blocks. `sa` may be null.
  tooShort,
  unknownSpi,
  replayed,
  forged,
  /// Authenticated, but padding or pad length broken: the peer's fault.
  malformed,
  /// Authenticated, next header 59: made to be dropped (RFC 4303 §2.6).
  dummy,
  engineFailed
};

struct InboundPacket {
  // In: SPI first, ICV last. Worked on in place, the whole of it may be overwritten.
  std::uint8_t* esp = nullptr;
  std::uint32_t length = 0;

  // Out.
  OpenResult result = OpenResult::engineFailed;
  std::uint8_t nextHeader = 0;
  /// The first authenticated packet of this SA. Set on exactly one packet (it may be a dummy or malformed one).
  bool first = false;
  /// It advanced the right edge of the window: newer than everything before. What decides whether a new outer address is believed.
  bool newest = false;
  /// It told something new of InboundSa::truncation().
  bool truncation = false;
  /// Set whenever the SPI is known, whatever the result; valid until Reader::leave().
  InboundSa* sa = nullptr;
  std::uint8_t* payload = nullptr;
  std::uint32_t payloadLength = 0;
};

class Worker {
 public:
  /// `random` is for IVs; null makes one of its own from the kernel's.
  explicit Worker(crypto::Engine& engine, std::unique_ptr<crypto::RandomSource> random = nullptr);

  /// Any number of packets, of any SAs of this engine, in order: sequence numbers are given in the order of the span.
  void seal(std::span<OutboundPacket> packets) noexcept;

  /// To be called inside an epoch (EpochDomain::Reader).
  void open(const SaTable& table, std::span<InboundPacket> packets) noexcept;

 private:
  /// Packets that go to the engine in one call.
  static constexpr std::size_t chunk = 256;

  /// Sequence numbers taken for a run of neighbours with the same SA.
  struct Run {
    OutboundSa* sa = nullptr;
    std::uint64_t next = 0;
    std::uint64_t left = 0;
  };

  void sealChunk(std::span<OutboundPacket> packets) noexcept;
  static bool take(Run& run, std::span<const OutboundPacket> packets) noexcept;
  void build(OutboundPacket& packet, std::uint64_t sequence, crypto::Job& job) noexcept;
  void drawIv(std::span<std::uint8_t> iv) noexcept;

  void openChunk(const SaTable& table, std::span<InboundPacket> packets) noexcept;
  static bool accept(InboundPacket& packet, crypto::Job& job, std::uint64_t& sequence) noexcept;
  static void deliver(InboundPacket& packet, const crypto::Job& job, std::uint64_t sequence) noexcept;
  static void count(InboundPacket& packet, const crypto::Job& job, std::uint64_t sequence) noexcept;

  std::unique_ptr<crypto::Context> context_;
  std::unique_ptr<crypto::RandomSource> random_;
  std::array<crypto::Job, chunk> jobs_;
  std::array<std::uint16_t, chunk> packetOfJob_;
  std::array<std::uint64_t, chunk> sequences_;
  std::array<std::uint8_t, chunk * crypto::maximumIvLength> ivs_;
  std::size_t ivsUsed_ = ivs_.size();
};

}  // namespace gatehouse::esp
