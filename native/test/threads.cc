// Several workers at once on the same SAs while the control thread changes the table. Under ThreadSanitizer it shows races; without it the sums do.
#include <algorithm>
#include <atomic>
#include <numeric>
#include <thread>

#include "test/esp-support.h"

namespace gatehouse::test {

namespace {

using crypto::Cipher;
using crypto::Integrity;
using crypto::Transform;
using esp::OpenResult;
using esp::SealResult;

constexpr std::size_t threads = 4;
constexpr Transform gcm{Cipher::aesGcm, 128, Integrity::none, false};
constexpr Transform cbc{Cipher::aesCbc, 256, Integrity::hmacSha256_128, true};

Octets memoryFor(std::size_t packets) { return Octets(packets * 256); }

template <typename Body>
void onThreads(Body&& body) {
  std::vector<std::jthread> running;
  for (std::size_t i = 0; i < threads; ++i) running.emplace_back([&body, i] { body(i); });
}

/// Seals so many packets of 100 octets on the SA; the packets, in order.
std::vector<Octets> sealMany(crypto::Engine& engine, esp::OutboundSa& sa, std::size_t count) {
  esp::Worker worker(engine);
  Octets memory = memoryFor(count);
  std::vector<esp::OutboundPacket> batch(count);
  for (std::size_t i = 0; i < count; ++i) {
    batch[i] = {.sa = &sa, .payload = memory.data() + i * 256 + 32, .length = 100, .nextHeader = 17};
  }
  worker.seal(batch);
  std::vector<Octets> packets;
  for (const auto& packet : batch) {
    CHECK_EQUAL(packet.result, SealResult::ok);
    packets.emplace_back(packet.esp, packet.esp + packet.espLength);
  }
  return packets;
}

}  // namespace

TEST("threads: four workers seal with one SA and no number is used twice or left out") {
  constexpr std::size_t each = 3000;
  eachEngine([](crypto::Engine& engine) {
    for (const Transform& transform : {gcm, cbc}) {
      esp::OutboundSa sa(0x1000, engine.expand(transform, crypto::Direction::seal, someKey(transform.cipherKeyLength()),
                                               someKey(transform.integrityKeyLength())));
      std::array<std::vector<Octets>, threads> sealed;
      onThreads([&](std::size_t i) {
        for (std::size_t done = 0; done < each; done += 100) {
          const auto part = sealMany(engine, sa, 100);
          sealed[i].insert(sealed[i].end(), part.begin(), part.end());
        }
      });
      std::vector<bool> seen(threads * each + 1);
      for (const auto& packets : sealed) {
        for (const Octets& p : packets) {
          const std::size_t number = static_cast<std::size_t>(p[4]) << 24 | static_cast<std::size_t>(p[5]) << 16 |
                                     static_cast<std::size_t>(p[6]) << 8 | p[7];
          CHECK(number >= 1 && number < seen.size() && !seen[number]);
          if (number < seen.size()) seen[number] = true;
        }
      }
      CHECK_EQUAL(sa.counters(), (esp::Counters{.packets = threads * each, .octets = threads * each * 100}));
    }
  });
}

TEST("threads: taking numbers and taking packets one by one, as fast as four threads can, loses and doubles none") {
  // Packets of nothing but a header and MD5, so that the threads meet as often as they can. Two SAs in turns: each packet is a run of its own.
  constexpr std::size_t each = 100000;
  constexpr Transform light{Cipher::null, 0, Integrity::hmacMd5_96};
  const auto engine = crypto::makeEngine("openssl");
  const auto expand = [&](crypto::Direction direction) { return engine->expand(light, direction, {}, someKey(16)); };
  esp::OutboundSa one(0x1000, expand(crypto::Direction::seal));
  esp::OutboundSa two(0x1001, expand(crypto::Direction::seal));
  std::array<std::vector<std::uint32_t>, threads> numbers;
  std::atomic<std::size_t> ready = 0;
  onThreads([&](std::size_t t) {
    esp::Worker worker(*engine);
    constexpr std::size_t batchSize = 200;
    Octets memory = memoryFor(batchSize);
    ++ready;
    while (ready < threads) std::this_thread::yield();
    for (std::size_t done = 0; done < each; done += batchSize) {
      std::vector<esp::OutboundPacket> batch(batchSize);
      for (std::size_t i = 0; i < batchSize; ++i) {
        batch[i] = {
            .sa = i % 2 == 0 ? &one : &two, .payload = memory.data() + i * 256 + 32, .length = 2, .nextHeader = 17};
      }
      worker.seal(batch);
      for (std::size_t i = 0; i < batchSize; i += 2) {
        const std::uint8_t* at = batch[i].esp + 4;
        numbers[t].push_back(std::uint32_t{at[0]} << 24 | std::uint32_t{at[1]} << 16 | std::uint32_t{at[2]} << 8 |
                             at[3]);
      }
    }
  });
  std::vector<std::uint32_t> all;
  for (const auto& some : numbers) all.insert(all.end(), some.begin(), some.end());
  std::ranges::sort(all);
  std::vector<std::uint32_t> wanted(threads * each / 2);
  std::iota(wanted.begin(), wanted.end(), 1U);
  CHECK(all == wanted);
  CHECK_EQUAL(one.counters(), (esp::Counters{.packets = threads * each / 2, .octets = threads * each}));

  // And the window by itself: each number is offered by all threads at about the same time.
  constexpr std::uint64_t offered = 2000000;
  esp::ReplayWindow window(4096, false);
  std::vector<std::atomic<std::uint8_t>> taken(offered + 1);
  std::uint64_t counted = 0;
  std::atomic<std::uint64_t> step = 0;
  onThreads([&](std::size_t) {
    for (std::uint64_t n = 1; n <= offered; ++n) {
      // No thread runs further ahead than the window reaches back.
      std::uint64_t seen = step.load(std::memory_order_relaxed);
      while (seen < n && !step.compare_exchange_weak(seen, n, std::memory_order_relaxed)) {
      }
      if (seen > n + 2000) n = seen;
      if (window.commit(n, [&] { ++counted; }) != esp::Taken::refused) ++taken[n];
    }
  });
  std::uint64_t once = 0;
  std::uint64_t more = 0;
  for (const auto& times : taken) {
    once += times == 1 ? 1U : 0U;
    more += times > 1 ? 1U : 0U;
  }
  CHECK_EQUAL(more, 0U);
  CHECK_EQUAL(counted, once);
}

TEST("threads: the end of the sequence space is met by four workers at once, and never passed") {
  const auto engine = crypto::makeEngine();
  esp::OutboundSa sa(0x1000, engine->expand(gcm, crypto::Direction::seal, someKey(20), {}), nullptr,
                     0xffffffffU - 1000);
  std::atomic<int> sealed = 0;
  std::atomic<int> low = 0;
  onThreads([&](std::size_t) {
    esp::Worker worker(*engine);
    Octets memory = memoryFor(64);
    for (int round = 0; round < 10; ++round) {
      std::vector<esp::OutboundPacket> batch(64);
      for (std::size_t i = 0; i < batch.size(); ++i) {
        batch[i] = {.sa = &sa, .payload = memory.data() + i * 256 + 32, .length = 4, .nextHeader = 17};
      }
      worker.seal(batch);
      for (const auto& packet : batch) {
        if (packet.result == SealResult::ok) ++sealed;
        if (packet.sequenceLow) ++low;
      }
    }
  });
  CHECK_EQUAL(sealed.load(), 1000);
  CHECK_EQUAL(low.load(), 1);
  CHECK_EQUAL(sa.sequence(), 0xffffffffU);
}

TEST("threads: four workers open the same packets of one SA and each packet is taken exactly once") {
  // Fewer than the window, so that no packet is left behind however the threads run.
  constexpr std::size_t count = 4000;
  eachEngine([](crypto::Engine& engine) {
    for (const Transform& transform : {gcm, cbc}) {
      const Octets cipherKey = someKey(transform.cipherKeyLength());
      const Octets integrityKey = someKey(transform.integrityKeyLength());
      // With ESN the low half rolls over in the middle.
      esp::OutboundSa sender(0x1000, engine.expand(transform, crypto::Direction::seal, cipherKey, integrityKey),
                             nullptr, transform.esn ? 0xffffffffU - count / 2 : 0);
      const auto packets = sealMany(engine, sender, count);

      esp::EpochDomain domain;
      esp::SaTable table(domain);
      auto receiver = std::make_unique<esp::InboundSa>(
          0x1000, engine.expand(transform, crypto::Direction::open, cipherKey, integrityKey), esp::maximumReplayWindow);
      esp::InboundSa& sa = *receiver;
      CHECK(table.add(receiver));
      std::vector<std::atomic<int>> taken(count);
      std::atomic<int> first = 0;
      onThreads([&](std::size_t) {
        esp::Worker worker(engine);
        esp::EpochDomain::Reader reader(domain);
        for (std::size_t from = 0; from < count; from += 50) {
          std::vector<Octets> copies(packets.begin() + static_cast<std::ptrdiff_t>(from),
                                     packets.begin() + static_cast<std::ptrdiff_t>(from + 50));
          std::vector<esp::InboundPacket> batch;
          for (Octets& copy : copies) {
            batch.push_back({.esp = copy.data(), .length = static_cast<std::uint32_t>(copy.size())});
          }
          const esp::EpochDomain::Guard inside(reader);
          worker.open(table, batch);
          for (std::size_t i = 0; i < batch.size(); ++i) {
            CHECK(batch[i].result == OpenResult::ok || batch[i].result == OpenResult::replayed);
            if (batch[i].result == OpenResult::ok) ++taken[from + i];
            if (batch[i].first) ++first;
          }
        }
      });
      int once = 0;
      for (const auto& times : taken) once += times == 1 ? 1 : 0;
      CHECK_EQUAL(once, static_cast<int>(count));
      CHECK_EQUAL(first.load(), 1);
      CHECK_EQUAL(sa.counters(),
                  (esp::Counters{.packets = count, .octets = count * 100, .replayed = (threads - 1) * count}));
    }
  });
}

TEST("threads: SAs are added and removed while workers open their packets; nothing is used after it is destroyed") {
  constexpr std::size_t spis = 64;
  const auto engine = crypto::makeEngine();
  std::vector<Octets> packets;
  for (std::uint32_t i = 0; i < spis; ++i) {
    esp::OutboundSa sender(0x1000 + i, engine->expand(gcm, crypto::Direction::seal, someKey(20), {}));
    packets.push_back(sealMany(*engine, sender, 1).front());
  }
  esp::EpochDomain domain;
  esp::SaTable table(domain);
  const auto addSa = [&](std::uint32_t i) {
    auto sa =
        std::make_unique<esp::InboundSa>(0x1000 + i, engine->expand(gcm, crypto::Direction::open, someKey(20), {}), 32);
    return table.add(sa);
  };
  std::atomic<bool> stop = false;
  std::atomic<std::uint64_t> opened = 0;
  std::atomic<std::uint64_t> unknown = 0;
  std::atomic<int> wrong = 0;
  std::vector<std::jthread> workers;
  for (std::size_t t = 0; t < threads; ++t) {
    workers.emplace_back([&] {
      esp::Worker worker(*engine);
      esp::EpochDomain::Reader reader(domain);
      while (!stop) {
        std::vector<Octets> copies = packets;
        std::vector<esp::InboundPacket> batch;
        for (Octets& copy : copies) {
          batch.push_back({.esp = copy.data(), .length = static_cast<std::uint32_t>(copy.size())});
        }
        const esp::EpochDomain::Guard inside(reader);
        worker.open(table, batch);
        for (const auto& packet : batch) {
          if (packet.result == OpenResult::ok) ++opened;
          if (packet.result == OpenResult::unknownSpi) ++unknown;
          if (packet.result == OpenResult::forged || packet.result == OpenResult::engineFailed) ++wrong;
        }
      }
    });
  }
  // Until the workers have met both cases often enough, however slow a sanitizer makes them.
  std::uint64_t added = 0;
  for (std::uint32_t round = 0; round < 3000 || opened < 500 || unknown < 500; ++round) {
    for (std::uint32_t i = round % 3; i < spis; i += 3) {
      if (addSa(i)) {
        ++added;
      } else {
        CHECK(table.remove(0x1000 + i));
      }
    }
    domain.collect();
    if (round % 64 == 0) {
      // More than the table has room for, so that it is rebuilt under the workers' eyes.
      for (std::uint32_t i = 1000; i < 1200; ++i) CHECK(addSa(i));
      for (std::uint32_t i = 1000; i < 1200; ++i) CHECK(table.remove(0x1000 + i));
      domain.synchronize();
    }
  }
  stop = true;
  workers.clear();
  CHECK_EQUAL(wrong.load(), 0);
  CHECK(opened.load() <= added);
  CHECK_EQUAL(domain.collect(), 0U);
}

}  // namespace gatehouse::test
