// Engines of the kernel are measured by the wall clock: what a device does takes none of our processor's time. An engine is asked only for what it has.
//
// A measurement is a loop over one batch of packets that are sealed, opened again and so on, in place, in the caches: what memory costs besides is
// the same for every engine. Each batch is timed by itself and the median batch counts, so that a batch in whose middle the processor was taken away
// does not. Path and engine alone take turns.
#include "bench/bench.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <ctime>
#include <memory>
#include <numeric>
#include <optional>
#include <stdexcept>

#include "bench/load.h"
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
/// Seconds. Reading the processor time costs some tenths of a microsecond.
constexpr double longBatch = 200e-6;

/// Seconds of each batch, sealed and opened.
struct Times {
  std::vector<double> seal;
  std::vector<double> open;

  void clear() {
    seal.clear();
    open.clear();
  }
};

/// One measurement: the median batch of each.
struct Sample {
  double path = 0;
  double alone = 0;
};

std::uint32_t sizeAt(std::uint32_t size, std::size_t index) { return size == 0 ? imix[index % imix.size()] : size; }

std::vector<std::uint8_t> keyOctets(std::size_t length, std::size_t seed) {
  std::vector<std::uint8_t> key(length);
  for (std::size_t i = 0; i < length; ++i) key[i] = static_cast<std::uint8_t>(seed * 131 + i * 29 + 7);
  return key;
}

double secondsOf(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

/// Whether processor time counts up between the timer's ticks, which it doesn't in some guests. In one of several looks: somebody else may have had the
/// core during the others.
bool fineProcessorTime() {
  static const bool fine = [] {
    constexpr int looks = 20;
    for (int look = 0; look < looks; ++look) {
      const double wall = secondsOf(CLOCK_MONOTONIC);
      int steps = 0;
      for (double last = secondsOf(CLOCK_THREAD_CPUTIME_ID); secondsOf(CLOCK_MONOTONIC) < wall + 200e-6;) {
        const double now = secondsOf(CLOCK_THREAD_CPUTIME_ID);
        if (now > last) ++steps;
        last = now;
      }
      if (steps > 10) return true;
    }
    return false;
  }();
  return fine;
}

/// Seconds. Short batches by the wall clock, which is cheap; long ones by this thread's processor time, since nobody keeps a core for milliseconds.
class Stopwatch {
 public:
  explicit Stopwatch(bool processorTime)
      : clock_(processorTime ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC), from_(secondsOf(clock_)) {}
  [[nodiscard]] double seconds() const { return secondsOf(clock_) - from_; }

 private:
  clockid_t clock_;
  double from_;
};

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
        context_(engine.makeBareContext()),
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
  void path(Times& times) {
    const Stopwatch sealing(processorTime_);
    for (std::size_t i = 0; i < outbound_.size(); ++i) {
      auto& packet = outbound_[i];
      packet.sa = senders_[(first_ + i) % senders_.size()].get();
      packet.payload = slot(i) + packet.sa->headRoom();
      packet.length = sizeAt(size_, i);
      packet.nextHeader = 17;
      writeHeaders(packet.payload, packet.length, packet.sa->spi());
    }
    worker_.seal(outbound_);
    times.seal.push_back(sealing.seconds());
    for (std::size_t i = 0; i < inbound_.size(); ++i) {
      if (outbound_[i].result != esp::SealResult::ok) throw std::logic_error("a packet was not sealed");
      inbound_[i].esp = outbound_[i].esp;
      inbound_[i].length = outbound_[i].espLength;
    }
    const Stopwatch opening(processorTime_);
    bool good = true;
    {
      const esp::EpochDomain::Guard inside(reader_);
      worker_.open(table_, inbound_);
      for (const auto& packet : inbound_) {
        good = good && packet.result == esp::OpenResult::ok &&
               readHeaders(packet.payload, packet.payloadLength, packet.sa->spi());
      }
    }
    times.open.push_back(opening.seconds());
    if (!good) throw std::logic_error("a packet was not opened");
    first_ += outbound_.size();
  }

  /// The same through the engine alone.
  void engineAlone(Times& times) {
    for (std::size_t i = 0; i < jobs_.size(); ++i) jobs_[i].key = sealKeys_[(first_ + i) % sealKeys_.size()].get();
    const Stopwatch sealing(processorTime_);
    context_->seal(jobs_);
    times.seal.push_back(sealing.seconds());
    for (std::size_t i = 0; i < jobs_.size(); ++i) jobs_[i].key = openKeys_[(first_ + i) % openKeys_.size()].get();
    const Stopwatch opening(processorTime_);
    context_->open(jobs_);
    times.open.push_back(opening.seconds());
    for (const auto& job : jobs_) {
      if (job.status != crypto::Status::ok) throw std::logic_error("the engine failed a packet");
    }
    first_ += jobs_.size();
  }

  void useProcessorTime(bool use) { processorTime_ = use; }

  /// Octets of payload in one batch.
  [[nodiscard]] double octets() const {
    double sum = 0;
    for (std::size_t i = 0; i < jobs_.size(); ++i) sum += sizeAt(size_, i);
    return sum;
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

  std::uint32_t size_;
  /// Where the next batch goes on in the ring of SAs, so that all of them get their turn.
  std::size_t first_ = 0;
  bool processorTime_ = false;
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

/// Linear between the two neighbours. Sorts the values.
double quantile(std::vector<double>& values, double share) {
  std::ranges::sort(values);
  const double at = static_cast<double>(values.size() - 1) * share;
  const auto below = static_cast<std::size_t>(at);
  const std::size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (values[above] - values[below]) * (at - static_cast<double>(below));
}

double median(std::vector<double>& values) { return quantile(values, 0.5); }

/// Half the distance between the quartiles, as a share of the median.
double spreadOf(std::vector<double>& values) {
  return (quantile(values, 0.75) - quantile(values, 0.25)) / 2 / median(values);
}

double mean(const std::vector<double>& values) {
  return std::reduce(values.begin(), values.end()) / static_cast<double>(values.size());
}

/// Path and engine in turns, some batches each, so that what slows the machine down slows both.
void during(std::uint32_t milliseconds, Bed& bed, Times& path, Times& alone) {
  // Ten batches each at the least, unless the time is over many times: then one each, and the median is of the repeats.
  constexpr int turn = 5;
  constexpr int patience = 4;
  int turns = 0;
  path.clear();
  alone.clear();
  const auto begin = Clock::now();
  const auto end = begin + std::chrono::milliseconds(milliseconds);
  const auto enough = begin + patience * std::chrono::milliseconds(milliseconds);
  do {
    for (int i = 0; i < turn && (i == 0 || Clock::now() < enough); ++i) bed.path(path);
    for (int i = 0; i < turn && (i == 0 || Clock::now() < enough); ++i) bed.engineAlone(alone);
    ++turns;
  } while ((turns < 2 && Clock::now() < enough) || Clock::now() < end);
}

Result summarise(const std::vector<Sample>& samples, double octets, double packets) {
  std::vector<double> speeds;
  std::vector<double> limits;
  std::vector<double> ratios;
  for (const Sample& sample : samples) {
    speeds.push_back(octets * 8 / sample.path / 1e9);
    limits.push_back(octets * 8 / sample.alone / 1e9);
    ratios.push_back(sample.alone / sample.path);
  }
  Result result;
  result.gbps = median(speeds);
  result.spread = spreadOf(speeds);
  result.packetsPerSecond = result.gbps * 1e9 / 8 / octets * packets;
  result.limitGbps = median(limits);
  result.ratio = median(ratios);
  result.ratioSpread = spreadOf(ratios);
  return result;
}

struct Measured {
  std::vector<Sample> sealing;
  std::vector<Sample> opening;
  double octets = 0;
  double processorShare = 0;
};

Measured measure(crypto::Engine& engine, const crypto::Transform& transform, std::uint32_t size,
                 const Options& options) {
  Bed bed(engine, transform, size, options);
  Times path;
  Times alone;
  Measured measured;
  measured.octets = bed.octets();
  const bool ofKernel = engine.name().starts_with("af-alg");
  const auto typical = [&](std::vector<double>& seconds) { return options.loaded ? mean(seconds) : median(seconds); };
  during(options.milliseconds, bed, path, alone);
  bed.useProcessorTime(!options.loaded && !ofKernel && median(path.seal) > longBatch && fineProcessorTime());
  const double wall = secondsOf(CLOCK_MONOTONIC);
  const double processor = secondsOf(CLOCK_THREAD_CPUTIME_ID);
  for (std::uint32_t i = 0; i < options.repeats; ++i) {
    during(options.milliseconds, bed, path, alone);
    measured.sealing.push_back({.path = typical(path.seal), .alone = typical(alone.seal)});
    measured.opening.push_back({.path = typical(path.open), .alone = typical(alone.open)});
  }
  measured.processorShare = (secondsOf(CLOCK_THREAD_CPUTIME_ID) - processor) / (secondsOf(CLOCK_MONOTONIC) - wall);
  return measured;
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
  const std::optional<Load> load = options.loaded ? std::make_optional<Load>() : std::nullopt;
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
        if (!engine->supports(transform)) continue;
        const Measured measured = measure(*engine, transform, size, options);
        for (const auto& [direction, samples] :
             {std::pair{"seal", &measured.sealing}, std::pair{"open", &measured.opening}}) {
          Result result = summarise(*samples, measured.octets, options.batch);
          result.engine = name;
          result.algorithm = algorithm;
          result.direction = direction;
          result.size = size == 0 ? "imix" : std::to_string(size);
          result.processorShare = measured.processorShare;
          result.loaded = options.loaded;
          results.push_back(std::move(result));
        }
      }
    }
  }
  return results;
}

}  // namespace gatehouse::bench
