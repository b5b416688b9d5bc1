// Sealing, for each chunk of a batch (RFC 4303 §3.3):
//   1. take()     sequence numbers, under the SA's lock once for neighbours with the same SA
//   2. build()    header, IV, padding and trailer around the payload, in place
//   3. the engine encrypts and authenticates all of them
// Opening (§3.4):
//   1. find the SAs
//   2. accept()   length, whole sequence number, anti-replay check: nothing is changed for what nobody has authenticated
//   3. the engine authenticates and decrypts all of them
//   4. deliver()  padding and next header, then the window again, which takes the number; counters
#include "esp/worker.h"

#include <algorithm>
#include <cstring>
#include <mutex>

namespace gatehouse::esp {

using crypto::espHeaderLength;
using crypto::espTrailerLength;
using crypto::Job;
using crypto::Status;

namespace {

/// RFC 4303 §2.4: 1, 2, 3 …
constexpr auto paddingOctets = [] {
  std::array<std::uint8_t, 255> octets{};
  for (std::size_t i = 0; i < octets.size(); ++i) octets[i] = static_cast<std::uint8_t>(i + 1);
  return octets;
}();

std::uint32_t readBig32(const std::uint8_t* from) noexcept {
  std::uint32_t value;
  std::memcpy(&value, from, sizeof value);
  return __builtin_bswap32(value);
}

void writeBig32(std::uint8_t* to, std::uint32_t value) noexcept {
  value = __builtin_bswap32(value);
  std::memcpy(to, &value, sizeof value);
}

void writeBig64(std::uint8_t* to, std::uint64_t value) noexcept {
  value = __builtin_bswap64(value);
  std::memcpy(to, &value, sizeof value);
}

constexpr auto relaxed = std::memory_order_relaxed;

/// Of the two forms of SHA2-256.
constexpr std::uint32_t fullTruncation = 16;

/// Whole blocks, one at least, beside `fixed` octets.
constexpr bool whole(std::uint32_t length, std::uint32_t fixed, std::uint32_t block) noexcept {
  return length <= maximumPacket && length >= fixed + block && ((length - fixed) & (block - 1)) == 0;
}

/// For counters that have one writer at a time.
void addUnderLock(std::atomic<std::uint64_t>& counter, std::uint64_t value) noexcept {
  counter.store(counter.load(relaxed) + value, relaxed);
}

/// True for the one packet that told something new.
bool learn(std::atomic<Truncation>& truncation, bool full) noexcept {
  if (full) {
    return truncation.load(relaxed) != Truncation::full &&
           truncation.exchange(Truncation::full, relaxed) != Truncation::full;
  }
  Truncation expected = Truncation::open;
  return truncation.load(relaxed) == expected &&
         truncation.compare_exchange_strong(expected, Truncation::shorter, relaxed);
}

}  // namespace

Worker::Worker(crypto::Engine& engine, std::unique_ptr<crypto::RandomSource> random)
    : context_(engine.makeContext()), random_(random ? std::move(random) : crypto::makeRandomSource()) {}

void Worker::seal(std::span<OutboundPacket> packets) noexcept {
  while (!packets.empty()) {
    const std::size_t count = std::min(packets.size(), chunk);
    sealChunk(packets.first(count));
    packets = packets.subspan(count);
  }
}

void Worker::sealChunk(std::span<OutboundPacket> packets) noexcept {
  for (const OutboundPacket& packet : packets) __builtin_prefetch(packet.sa, 1);

  std::size_t jobs = 0;
  Run run;
  for (std::size_t i = 0; i < packets.size(); ++i) {
    OutboundPacket& packet = packets[i];
    packet.sequenceLow = false;
    if (packet.length > packet.sa->largestPayload_) {
      packet.result = SealResult::tooLong;
      continue;
    }
    if ((run.sa != packet.sa || run.left == 0) && !take(run, packets.subspan(i))) {
      packet.result = SealResult::exhausted;
      continue;
    }
    --run.left;
    build(packet, run.next++, jobs_[jobs]);
    packetOfJob_[jobs++] = static_cast<std::uint16_t>(i);
  }

  context_->seal(std::span(jobs_).first(jobs));

  for (std::size_t j = 0; j < jobs; ++j) {
    packets[packetOfJob_[j]].result = jobs_[j].status == Status::ok ? SealResult::ok : SealResult::engineFailed;
  }
}

/// Numbers for the first packet and for those behind it that have the same SA, as many as are left; false if none are.
bool Worker::take(Run& run, std::span<const OutboundPacket> packets) noexcept {
  OutboundSa& sa = *packets.front().sa;
  std::uint64_t wanted = 0;
  std::uint64_t octets = 0;
  for (const OutboundPacket& packet : packets) {
    if (packet.sa != &sa || packet.length > sa.largestPayload_) break;
    ++wanted;
    octets += packet.length;
  }
  const std::lock_guard lock(sa.lock_);
  const std::uint64_t used = sa.sequence_.load(relaxed);
  const std::uint64_t taken = std::min(wanted, sa.lastSequence_ - used);
  if (taken == 0) return false;
  if (taken < wanted) {
    octets = 0;
    for (const OutboundPacket& packet : packets.first(taken)) octets += packet.length;
  }
  sa.sequence_.store(used + taken, relaxed);
  addUnderLock(sa.octets_, octets);
  run = {.sa = &sa, .next = used + 1, .left = taken};
  return true;
}

void Worker::build(OutboundPacket& packet, std::uint64_t sequence, Job& job) noexcept {
  const OutboundSa& sa = *packet.sa;
  packet.sequenceLow = sequence == sa.lowSequence_;
  std::uint8_t* esp = packet.payload - sa.headRoom_;
  writeBig32(esp, sa.spi_);
  writeBig32(esp + 4, static_cast<std::uint32_t>(sequence));
  std::uint8_t* iv = esp + espHeaderLength;
  if (sa.counterIv_) {
    writeBig64(iv, sequence);
  } else {
    drawIv({iv, sa.headRoom_ - espHeaderLength});
  }
  const std::uint32_t over = (packet.length + espTrailerLength) & (sa.blockSize_ - 1U);
  const std::uint32_t padding = over == 0 ? 0 : sa.blockSize_ - over;
  std::uint8_t* trailer = packet.payload + packet.length;
  std::memcpy(trailer, paddingOctets.data(), padding);
  trailer[padding] = static_cast<std::uint8_t>(padding);
  trailer[padding + 1] = packet.nextHeader;

  const std::uint32_t length = sa.headRoom_ + packet.length + padding + static_cast<std::uint32_t>(espTrailerLength);
  crypto::Key& key = packet.switched ? *sa.other_ : *sa.key_;
  packet.esp = esp;
  packet.espLength = length + static_cast<std::uint32_t>(key.icvLength());
  job = {.key = &key, .packet = esp, .length = length, .sequenceHigh = static_cast<std::uint32_t>(sequence >> 32)};
}

/// From a pool that is drawn for many packets at once; empty with the NULL cipher.
void Worker::drawIv(std::span<std::uint8_t> iv) noexcept {
  if (ivsUsed_ + iv.size() > ivs_.size()) {
    random_->fill(ivs_);
    ivsUsed_ = 0;
  }
  std::copy_n(ivs_.begin() + static_cast<std::ptrdiff_t>(ivsUsed_), iv.size(), iv.begin());
  ivsUsed_ += iv.size();
}

void Worker::open(const SaTable& table, std::span<InboundPacket> packets) noexcept {
  while (!packets.empty()) {
    const std::size_t count = std::min(packets.size(), chunk);
    openChunk(table, packets.first(count));
    packets = packets.subspan(count);
  }
}

void Worker::openChunk(const SaTable& table, std::span<InboundPacket> packets) noexcept {
  for (InboundPacket& packet : packets) {
    packet.sa = packet.length < espHeaderLength ? nullptr : table.find(readBig32(packet.esp));
    __builtin_prefetch(packet.sa, 1);
  }

  std::size_t jobs = 0;
  for (std::size_t i = 0; i < packets.size(); ++i) {
    if (accept(packets[i], jobs_[jobs], sequences_[jobs])) packetOfJob_[jobs++] = static_cast<std::uint16_t>(i);
  }

  context_->open(std::span(jobs_).first(jobs));

  for (std::size_t j = 0; j < jobs; ++j) deliver(packets[packetOfJob_[j]], jobs_[j], sequences_[j]);
}

bool Worker::accept(InboundPacket& packet, Job& job, std::uint64_t& sequence) noexcept {
  packet.first = false;
  packet.newest = false;
  packet.truncation = false;
  packet.payload = nullptr;
  packet.payloadLength = 0;
  if (packet.sa == nullptr) {
    packet.result = packet.length < espHeaderLength ? OpenResult::tooShort : OpenResult::unknownSpi;
    return false;
  }
  InboundSa& sa = *packet.sa;
  crypto::Key* key = sa.key_.get();
  std::uint32_t icvLength = sa.icvLength_;
  if (!whole(packet.length, sa.headRoom_ + icvLength, sa.blockSize_)) {
    // No packet is whole with both truncations, whose lengths differ by half a block or less.
    key = sa.other_.get();
    icvLength = key == nullptr ? 0 : static_cast<std::uint32_t>(key->icvLength());
    if (key == nullptr || !whole(packet.length, sa.headRoom_ + icvLength, sa.blockSize_)) {
      packet.result = OpenResult::tooShort;
      return false;
    }
  }
  if (sa.other_ && sa.truncation_.load(relaxed) == Truncation::full && icvLength < fullTruncation) {
    packet.result = OpenResult::tooShort;
    return false;
  }
  sequence = sa.window_.infer(readBig32(packet.esp + 4));
  if (!sa.window_.check(sequence)) {
    packet.result = OpenResult::replayed;
    sa.replayed_.fetch_add(1, relaxed);
    return false;
  }
  job = {.key = key,
         .packet = packet.esp,
         .length = packet.length - icvLength,
         .sequenceHigh = static_cast<std::uint32_t>(sequence >> 32)};
  return true;
}

void Worker::deliver(InboundPacket& packet, const Job& job, std::uint64_t sequence) noexcept {
  InboundSa& sa = *packet.sa;
  if (job.status != Status::ok) {
    const bool forged = job.status == Status::badIntegrity;
    packet.result = forged ? OpenResult::forged : OpenResult::engineFailed;
    if (forged) sa.forged_.fetch_add(1, relaxed);
    return;
  }
  std::uint8_t* payload = packet.esp + sa.headRoom_;
  const std::uint8_t* trailer = packet.esp + job.length - espTrailerLength;
  const auto room = static_cast<std::uint32_t>(trailer - payload);
  const std::uint32_t padding = trailer[0];
  packet.nextHeader = trailer[1];
  if (padding > room || std::memcmp(trailer - padding, paddingOctets.data(), padding) != 0) {
    packet.result = OpenResult::malformed;
  } else if (packet.nextHeader == nextHeaderNone) {
    packet.result = OpenResult::dummy;
  } else {
    packet.result = OpenResult::ok;
    packet.payload = payload;
    packet.payloadLength = room - padding;
  }
  count(packet, job, sequence);
}

/// The number is taken whatever the content: it is authentic.
void Worker::count(InboundPacket& packet, const Job& job, std::uint64_t sequence) noexcept {
  InboundSa& sa = *packet.sa;
  const Taken taken = sa.window_.commit(sequence, [&] {
    if (packet.result == OpenResult::ok) {
      addUnderLock(sa.packets_, 1);
      addUnderLock(sa.octets_, packet.payloadLength);
    } else {
      addUnderLock(packet.result == OpenResult::dummy ? sa.dummies_ : sa.malformed_, 1);
    }
  });
  if (taken == Taken::refused) {
    packet.result = OpenResult::replayed;
    packet.payload = nullptr;
    packet.payloadLength = 0;
    sa.replayed_.fetch_add(1, relaxed);
    return;
  }
  packet.first = taken == Taken::first;
  if (sa.other_) packet.truncation = learn(sa.truncation_, job.key->icvLength() == fullTruncation);
  packet.newest = taken == Taken::first || taken == Taken::newest;
}

}  // namespace gatehouse::esp
