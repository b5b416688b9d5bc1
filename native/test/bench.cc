// The benchmark measures something for every line, and refuses what it does not know.
#include "bench/bench.h"

#include <chrono>
#include <ctime>
#include <stdexcept>
#include <thread>

#include "bench/load.h"
#include "crypto/engine.h"
#include "test/test.h"

namespace gatehouse::test {

TEST("bench: one result for each engine, algorithm, size and direction, and all numbers make sense") {
  bench::Options options;
  options.algorithms = {"aes128gcm16", "aes128-sha256_96"};
  options.sizes = {64, 0};
  // More SAs than packets in a batch: all of them get their turn.
  options.securityAssociations = 40;
  options.batch = 16;
  options.milliseconds = 1;
  options.repeats = 3;
  std::size_t asked = 0;
  options.progress = [&](std::size_t done, std::size_t all) {
    CHECK_EQUAL(done, asked++);
    CHECK_EQUAL(all, crypto::engineNames().size() * 4);
    return true;
  };
  std::string lines;
  for (const bench::Result& r : bench::run(options)) {
    lines += r.algorithm + " " + r.size + " " + r.direction + "\n";
    CHECK(r.gbps > 0 && r.limitGbps > 0 && r.packetsPerSecond > 0 && r.spread >= 0);
    CHECK(r.ratio > 0.01 && r.ratio < 100);
  }
  std::string wanted;
  for (std::size_t i = 0; i < crypto::engineNames().size(); ++i) {
    for (const char* algorithm : {"aes128gcm16", "aes128-sha256_96"}) {
      for (const char* size : {"64", "imix"}) {
        for (const char* direction : {"seal", "open"})
          wanted.append(algorithm).append(" ").append(size).append(" ").append(direction).append("\n");
      }
    }
  }
  CHECK_EQUAL(lines, wanted);
}

// What load costs is the bench's to print, not a test's to demand: on a noisy machine a loaded run may have had the better minute.
TEST("bench: a run under load says so, and how much of its core the thread had") {
  bench::Options options;
  options.engines = {"openssl"};
  options.algorithms = {"aes128-sha1"};
  options.sizes = {1400};
  options.milliseconds = 60;
  options.repeats = 3;
  const auto idle = bench::run(options);
  options.loaded = true;
  const auto loaded = bench::run(options);
  CHECK_EQUAL(idle.size(), 2U);
  CHECK_EQUAL(loaded.size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(!idle[i].loaded && loaded[i].loaded);
    CHECK(loaded[i].gbps > 0 && idle[i].gbps > 0);
    for (const auto& result : {idle[i], loaded[i]}) CHECK(result.processorShare > 0 && result.processorShare <= 1.01);
  }
}

TEST("bench: the load works while the measuring thread rests") {
  const auto processor = [] {
    timespec now{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
  };
  const bench::Load load;
  const auto before = processor();
  // Sleeping costs nothing: what the process used is the load's. 20 ms of it come at once, or, on a machine that has no time for us, late.
  for (int rests = 0; rests < 2000 && processor() - before < std::chrono::milliseconds(20); ++rests)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  CHECK(processor() - before >= std::chrono::milliseconds(20));
}

TEST("bench: stops when asked, and refuses unknown names and impossible sizes") {
  bench::Options options;
  options.progress = [](std::size_t, std::size_t) { return false; };
  CHECK(bench::run(options).empty());
  options.engines = {"abacus"};
  CHECK_THROWS(bench::run(options), std::invalid_argument);
  options.engines = {"openssl"};
  options.algorithms = {"aes128"};
  CHECK_THROWS(bench::run(options), std::invalid_argument);
  options.algorithms = {"aes128-sha1"};
  options.sizes = {19};
  CHECK_THROWS(bench::run(options), std::invalid_argument);
}

}  // namespace gatehouse::test
