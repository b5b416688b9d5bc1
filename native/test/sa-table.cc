// The table of inbound SAs and the epochs that guard it, on one thread: what is found, and when what is destroyed.
#include "esp/sa-table.h"

#include <map>
#include <random>

#include "test/esp-support.h"

namespace gatehouse::test {

namespace {

using esp::EpochDomain;
using esp::InboundSa;
using esp::SaTable;

constexpr crypto::Transform nullMd5{crypto::Cipher::null, 0, crypto::Integrity::hmacMd5_96};

std::unique_ptr<InboundSa> makeSa(crypto::Engine& engine, std::uint32_t spi) {
  return std::make_unique<InboundSa>(spi, engine.expand(nullMd5, crypto::Direction::open, {}, Octets(16)), 32);
}

/// Says when it is destroyed.
struct Witness {
  explicit Witness(int& gone) : gone_(gone) {}
  Witness(const Witness&) = delete;
  Witness& operator=(const Witness&) = delete;
  ~Witness() { ++gone_; }
  int& gone_;
};

}  // namespace

TEST("SA table: agrees with a map while SAs come and go at random") {
  const auto engine = crypto::makeEngine();
  EpochDomain domain;
  SaTable table(domain);
  std::map<std::uint32_t, InboundSa*> model;
  std::mt19937 random(3);
  for (int i = 0; i < 30000; ++i) {
    // Few SPIs, so that they are met again; some equal in their low bits.
    const std::uint32_t spi = 256 + (random() % 3 == 0 ? (random() % 64) << 16 : random() % 2000);
    if (random() % 2 == 0) {
      auto sa = makeSa(*engine, spi);
      InboundSa* raw = sa.get();
      const bool added = table.add(sa);
      CHECK_EQUAL(added, model.emplace(spi, raw).second);
      CHECK_EQUAL(sa == nullptr, added);
    } else {
      CHECK_EQUAL(table.remove(spi), model.erase(spi) == 1);
    }
    CHECK_EQUAL(table.size(), model.size());
    if (i % 1000 == 0) {
      CHECK_EQUAL(domain.collect(), 0U);
      for (std::uint32_t s = 0; s < 3000; ++s) {
        const auto found = model.find(s);
        CHECK(table.find(s) == (found == model.end() ? nullptr : found->second));
      }
    }
  }
}

TEST("SA table: SPI 0 is never found") {
  EpochDomain domain;
  const SaTable table(domain);
  CHECK(table.find(0) == nullptr);
}

TEST("epochs: what is retired goes when every reader that might see it has left, and not before") {
  EpochDomain domain;
  EpochDomain::Reader one(domain);
  EpochDomain::Reader two(domain);
  int gone = 0;
  const auto retire = [&] { domain.retire(std::make_unique<Witness>(gone)); };

  retire();
  CHECK_EQUAL(domain.collect(), 0U);
  CHECK_EQUAL(gone, 1);

  one.enter();
  retire();
  CHECK_EQUAL(domain.collect(), 1U);
  // Entered after the unlinking: cannot see it, so does not keep it.
  two.enter();
  retire();
  CHECK_EQUAL(domain.collect(), 2U);
  one.leave();
  CHECK_EQUAL(domain.collect(), 1U);
  CHECK_EQUAL(gone, 2);
  two.leave();
  CHECK_EQUAL(domain.collect(), 0U);
  CHECK_EQUAL(gone, 3);
}

TEST("epochs: synchronize destroys what was retired; the domain's end destroys the rest") {
  int gone = 0;
  {
    EpochDomain domain;
    EpochDomain::Reader reader(domain);
    domain.retire(std::make_unique<Witness>(gone));
    domain.synchronize();
    CHECK_EQUAL(gone, 1);
    domain.retire(std::make_unique<Witness>(gone));
  }
  CHECK_EQUAL(gone, 2);
}

TEST("epochs: a reader's place is free again when it goes, and there are no more than 128") {
  EpochDomain domain;
  for (int i = 0; i < 1000; ++i) {
    EpochDomain::Reader reader(domain);
    reader.enter();
  }
  std::vector<std::unique_ptr<EpochDomain::Reader>> readers;
  for (std::size_t i = 0; i < EpochDomain::maximumReaders; ++i) {
    readers.push_back(std::make_unique<EpochDomain::Reader>(domain));
  }
  CHECK_THROWS(EpochDomain::Reader(domain), std::length_error);
}

}  // namespace gatehouse::test
