// A measurement is a loop over one batch of packets that are sealed, opened again and so on, in place, in the caches: what memory costs besides is
// the same for every engine. The time of sealing and that of opening are taken apart. Path and engine alone take turns, so that a slow moment of the
// machine hits both.
#include "bench/bench.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <memory>
#include <stdexcept>

#include "crypto/engine.h"
#include "esp/worker.h"

namespace gatehouse::bench {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::array<std::uint32_t, 12> imix{64, 576, 64, 64, 576, 64, 1400, 64, 576, 64, 576, 64};
constexpr std::array<const char*, 9> usualAlgorithms{"aes128gcm16", "aes256gcm16",   "aes128-sha1",
                                                     "aes256-sha1", "aes128-sha256", "aes256-sha256",
                                                     "3des-sha1",   "3des-md5",      "des-sha1"};
/// UDP, L2TP with a length field, PPP with address and control.
constexpr std::size_t innerHeaders = 8 + 8 + 4;
constexpr std::size_t front = 64;
constexpr std::size_t stride = 64 + 1600 + 64;
constexpr std::uint32_t largestSize = 1500;

/// Octets and seconds of one direction.
struct Tally {
  double octets = 0;
  double packets = 0;
  double seconds = 0;
};

struct Both {
  Tally seal;
  Tally open;
};

std::uint32_t sizeAt(std::uint32_t size, std::size_t index) { return size == 0 ? imix[index % imix.size()] : size; }

std::vector<std::uint8_t> keyOctets(std::size_t length, std::size_t seed) {
  std::vector<std::uint8_t> key(length);
  for (std::size_t i = 0; i < length; ++i) key[i] = static_cast<std::uint8_t>(seed * 131 + i * 29 + 7);
  return key;
}

double elapsed(Clock::time_point from) { return std::chrono::duration<double>(Clock::now() - from).count(); }

void store16(std::uint8_t* to, std::uint32_t value) {
  to[0] = static_cast<std::uint8_t>(value >> 8);
  to[1] = static_cast<std::uint8_t>(value);
}

void writeHeaders(std::uint8_t* at, std::uint32_t length, std::uint32_t session) {
  store16(at, 1701);
  store16(at + 2, 1701);
  store16(at + 4, length);
  store16(at + 6, 0);
  store16(at + 8, 0x4002);
  store16(at + 10, length - 8);
  store16(at + 12, session);
  store16(at + 14, session);
  store16(at + 16, 0xff03);
  store16(at + 18, 0x0021);
}

bool readHeaders(const std::uint8_t* at, std::uint32_t length, std::uint32_t session) {
  std::array<std::uint8_t, innerHeaders> wanted;
  writeHeaders(wanted.data(), length, session);
  return length >= innerHeaders && std::memcmp(at, wanted.data(), wanted.size()) == 0;
}

/// One batch of packets of many SAs, and both ends of these SAs.
class Bed {
 public:
  Bed(crypto::Engine& engine, const crypto::Transform& transform, std::uint32_t size, const Options& options)
      : size_(size),
        transform_(transform),
        table_(domain_),
        reader_(domain_),
        worker_(engine),
        context_(engine.makeContext()),
        memory_(front + stride * options.batch),
        outbound_(options.batch),
        inbound_(options.batch),
        jobs_(options.batch) {
    for (std::uint32_t i = 0; i < options.securityAssociations; ++i) addSa(engine, 0x1000 + i);
    for (std::size_t i = 0; i < jobs_.size(); ++i) {
      const std::size_t text = transform.sealedLength(sizeAt(size_, i)) - transform.icvLength();
      std::memset(slot(i), 0, stride - front);
      jobs_[i].packet = slot(i);
      jobs_[i].length = static_cast<std::uint32_t>(text);
    }
  }

  /// Once through all packets, SA and all.
  void path(Both& both) {
    double octets = 0;
    const auto sealing = Clock::now();
    for (std::size_t i = 0; i < outbound_.size(); ++i) {
      auto& packet = outbound_[i];
      packet.sa = senders_[i % senders_.size()].get();
      packet.payload = slot(i) + packet.sa->headRoom();
      packet.length = sizeAt(size_, i);
      packet.nextHeader = 17;
      octets += packet.length;
      writeHeaders(packet.payload, packet.length, packet.sa->spi());
    }
    worker_.seal(outbound_);
    both.seal.seconds += elapsed(sealing);
    for (std::size_t i = 0; i < inbound_.size(); ++i) {
      if (outbound_[i].result != esp::SealResult::ok) throw std::logic_error("a packet was not sealed");
      inbound_[i].esp = outbound_[i].esp;
      inbound_[i].length = outbound_[i].espLength;
    }
    const auto opening = Clock::now();
    bool good = true;
    {
      const esp::EpochDomain::Guard inside(reader_);
      worker_.open(table_, inbound_);
      for (const auto& packet : inbound_) {
        good = good && packet.result == esp::OpenResult::ok &&
               readHeaders(packet.payload, packet.payloadLength, packet.sa->spi());
      }
    }
    both.open.seconds += elapsed(opening);
    if (!good) throw std::logic_error("a packet was not opened");
    count(both, octets);
  }

  /// The same through the engine alone.
  void engineAlone(Both& both) {
    double octets = 0;
    for (std::size_t i = 0; i < jobs_.size(); ++i) {
      jobs_[i].key = sealKeys_[i % sealKeys_.size()].get();
      octets += sizeAt(size_, i);
    }
    const auto sealing = Clock::now();
    context_->seal(jobs_);
    both.seal.seconds += elapsed(sealing);
    for (std::size_t i = 0; i < jobs_.size(); ++i) jobs_[i].key = openKeys_[i % openKeys_.size()].get();
    const auto opening = Clock::now();
    context_->open(jobs_);
    both.open.seconds += elapsed(opening);
    for (const auto& job : jobs_) {
      if (job.status != crypto::Status::ok) throw std::logic_error("the engine failed a packet");
    }
    count(both, octets);
  }

 private:
  [[nodiscard]] std::uint8_t* slot(std::size_t i) { return memory_.data() + front + i * stride; }

  void addSa(crypto::Engine& engine, std::uint32_t spi) {
    const auto cipherKey = keyOctets(transform_.cipherKeyLength(), spi);
    const auto integrityKey = keyOctets(transform_.integrityKeyLength(), spi + 1);
    const auto expand = [&](crypto::Direction direction) {
      return engine.expand(transform_, direction, cipherKey, integrityKey);
    };
    senders_.push_back(std::make_unique<esp::OutboundSa>(spi, expand(crypto::Direction::seal)));
    auto receiver = std::make_unique<esp::InboundSa>(spi, expand(crypto::Direction::open));
    (void)table_.add(receiver);
    sealKeys_.push_back(expand(crypto::Direction::seal));
    openKeys_.push_back(expand(crypto::Direction::open));
  }

  void count(Both& both, double octets) const {
    for (Tally* tally : {&both.seal, &both.open}) {
      tally->octets += octets;
      tally->packets += static_cast<double>(jobs_.size());
    }
  }

  std::uint32_t size_;
  crypto::Transform transform_;
  esp::EpochDomain domain_;
  esp::SaTable table_;
  esp::EpochDomain::Reader reader_;
  esp::Worker worker_;
  std::unique_ptr<crypto::Context> context_;
  std::vector<std::uint8_t> memory_;
  std::vector<std::unique_ptr<esp::OutboundSa>> senders_;
  std::vector<std::unique_ptr<crypto::Key>> sealKeys_;
  std::vector<std::unique_ptr<crypto::Key>> openKeys_;
  std::vector<esp::OutboundPacket> outbound_;
  std::vector<esp::InboundPacket> inbound_;
  std::vector<crypto::Job> jobs_;
};

template <typename Once>
Both during(std::uint32_t milliseconds, Once&& once) {
  Both both;
  const auto end = Clock::now() + std::chrono::milliseconds(milliseconds);
  do {
    once(both);
  } while (Clock::now() < end);
  return both;
}

double gbps(const Tally& tally) { return tally.octets * 8 / tally.seconds / 1e9; }
double perSecond(const Tally& tally) { return tally.packets / tally.seconds; }

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

Result summarise(const std::vector<Both>& path, const std::vector<Both>& alone, Tally Both::*direction) {
  std::vector<double> speeds;
  std::vector<double> rates;
  std::vector<double> limits;
  for (const Both& both : path) {
    speeds.push_back(gbps(both.*direction));
    rates.push_back(perSecond(both.*direction));
  }
  for (const Both& both : alone) limits.push_back(gbps(both.*direction));
  Result result;
  result.gbps = median(speeds);
  result.packetsPerSecond = median(rates);
  result.spread = (std::ranges::max(speeds) - std::ranges::min(speeds)) / 2 / result.gbps;
  result.limitGbps = median(limits);
  result.ratio = result.gbps / result.limitGbps;
  return result;
}

crypto::Transform parse(const std::string& algorithm) {
  const std::size_t dash = algorithm.find('-');
  const std::string hash = dash == std::string::npos ? "" : algorithm.substr(dash + 1);
  const auto transform = crypto::transformFromNames(algorithm.substr(0, dash), hash, false);
  if (!transform) throw std::invalid_argument("no ESP algorithm is called " + algorithm);
  return *transform;
}

Options complete(Options options) {
  if (options.engines.empty()) {
    for (const std::string_view name : crypto::engineNames()) options.engines.emplace_back(name);
  }
  if (options.algorithms.empty()) options.algorithms.assign(usualAlgorithms.begin(), usualAlgorithms.end());
  if (options.sizes.empty()) options.sizes = {64, 512, 1400, 0};
  for (const std::uint32_t size : options.sizes) {
    if (size != 0 && (size < innerHeaders || size > largestSize)) {
      throw std::invalid_argument("packet sizes are " + std::to_string(innerHeaders) + " to " +
                                  std::to_string(largestSize) + " octets");
    }
  }
  if (options.securityAssociations == 0 || options.batch == 0 || options.repeats == 0) {
    throw std::invalid_argument("SAs, batch and repeats are at least 1");
  }
  return options;
}

}  // namespace

std::vector<Result> run(const Options& wanted) {
  const Options options = complete(wanted);
  std::vector<Result> results;
  const std::size_t all = options.engines.size() * options.algorithms.size() * options.sizes.size();
  std::size_t done = 0;
  for (const std::string& name : options.engines) {
    const auto engine = crypto::makeEngine(name);
    if (!engine) throw std::invalid_argument("no crypto engine is called " + name + " here");
    for (const std::string& algorithm : options.algorithms) {
      const crypto::Transform transform = parse(algorithm);
      for (const std::uint32_t size : options.sizes) {
        if (options.progress && !options.progress(done++, all)) return results;
        Bed bed(*engine, transform, size, options);
        const auto throughSa = [&](Both& both) { bed.path(both); };
        const auto throughEngine = [&](Both& both) { bed.engineAlone(both); };
        during(options.milliseconds / 2, throughSa);
        during(options.milliseconds / 2, throughEngine);
        std::vector<Both> path;
        std::vector<Both> alone;
        for (std::uint32_t i = 0; i < options.repeats; ++i) {
          path.push_back(during(options.milliseconds, throughSa));
          alone.push_back(during(options.milliseconds, throughEngine));
        }
        for (const auto& [direction, tally] : {std::pair{"seal", &Both::seal}, std::pair{"open", &Both::open}}) {
          Result result = summarise(path, alone, tally);
          result.engine = name;
          result.algorithm = algorithm;
          result.direction = direction;
          result.size = size == 0 ? "imix" : std::to_string(size);
          results.push_back(std::move(result));
        }
      }
    }
  }
  return results;
}

}  // namespace gatehouse::bench
