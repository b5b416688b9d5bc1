// Seal and open through the SA: what RFC 4303 asks for, packet by packet.
#include <bit>
#include <initializer_list>
#include <random>

#include "test/esp-support.h"

namespace gatehouse::test {

namespace {

using crypto::Cipher;
using crypto::Integrity;
using crypto::Transform;
using esp::Counters;
using esp::OpenResult;
using esp::SealResult;

constexpr std::uint32_t spi = 0x4321;
constexpr Transform aesSha1{Cipher::aesCbc, 128, Integrity::hmacSha1_96};
constexpr Transform nullSha1{Cipher::null, 0, Integrity::hmacSha1_96};

struct Ends {
  Ends(crypto::Engine& engine, const Transform& transform, std::uint64_t sent = 0,
       std::uint32_t window = esp::defaultReplayWindow)
      : cipherKey(someKey(transform.cipherKeyLength())),
        integrityKey(someKey(transform.integrityKeyLength(), 2)),
        sender(engine, transform, cipherKey, integrityKey, spi, sent),
        receiver(engine, transform, cipherKey, integrityKey, spi, window) {}

  Octets cipherKey;
  Octets integrityKey;
  Sender sender;
  Receiver receiver;
};

/// A packet whose trailer is the test's own: sealed by the engine, without the ESP layer.
Octets sealByHand(crypto::Engine& engine, const Transform& transform, std::uint32_t sequence, const Octets& text) {
  Octets head = fromHex("00004321");
  for (int shift = 24; shift >= 0; shift -= 8) head.push_back(static_cast<std::uint8_t>(sequence >> shift));
  head.resize(transform.headRoom(), 0x77);
  return sealWith(engine, transform, someKey(transform.cipherKeyLength()), someKey(transform.integrityKeyLength(), 2),
                  head + text);
}

}  // namespace

TEST("ESP packets of RFC 3602 section 4, cases 5 to 8: sealed to these octets, and opened") {
  struct Case {
    const char* key;
    std::uint32_t spi;
    std::uint64_t sequence;
    const char* payload;
    std::uint8_t nextHeader;
    const char* packet;
  };
  // There is no integrity in these; here HMAC-SHA1 stands behind them.
  constexpr Case cases[] = {
      {"90d382b410eeba7ad938c46cec1a82bf", 0x4321, 1,
       "08000ebda70a00008e9c083db95b070008090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2"
       "f"
       "3031323334353637",
       1,
       "0000432100000001e96e8c08ab465763fd098d45dd3ff893f663c25d325c18c6a9453e194e120849a4870b66cc6b9965330013b4898dc85"
       "6"
       "a4699e523a55db080b59ec3a8e4b7e52775b07d1db34ed9c538ab50c551b874aa269add047ad2d5913ac19b7cfbad4a6"},
      {"90d382b410eeba7ad938c46cec1a82bf", 0x4321, 8, "0800b5e8a80a0500a69c083d0b660e00777777777777777777777777", 1,
       "000043210000000869d08df7d203329db093fc4924e5bd80f51995881ec4e0c4488987ce742e8109689bb379d2d750c0d915dca346a89f7"
       "5"},
      {"0123456789abcdef0123456789abcdef", 0x8765, 2,
       "45000054090400004001f988c0a87b03c0a87bc808009f76a90a0100b49c083d02a2040008090a0b0c0d0e0f101112131415161718191a1"
       "b"
       "1c1d1e1f202122232425262728292a2b2c2d2e2f3031323334353637",
       4,
       "0000876500000002f4e765244f6407adf13dc1380f673f37773b5241a4c449225e4f3ce5ed611b0c237ca96cf74a93013c1b0ea1a0cf70f"
       "8"
       "e4ecaec78ac53aad7a0f022b859243c647752e94a859352b8a4d4d2decd136e5c177f132ad3fbfb2201ac9904c74ee0a109e0ca1e4dfe9d"
       "5"
       "a100b842f1c22f0d"},
      {"0123456789abcdef0123456789abcdef", 0x8765, 5,
       "45000044090c00004001f990c0a87b03c0a87bc80800d63caa0a0200c69c083da3de0300fffffffffffffffffffffffffffffffffffffff"
       "f"
       "ffffffffffffffffffffffff",
       4,
       "000087650000000585d47224b5f3dd5d2101d4ea8dffab2215b92683819596a8047232cc00f7048fe45318e11f8a0f62ede3c3fc61203bb"
       "5"
       "0f980a08c9843fd3a1b06d5c07ff9639b7eb7dfb3512e5de435e7207ed971ef3d2726d9b5ef6affc6d17a0decbb13892"},
  };
  eachEngine([&](crypto::Engine& engine) {
    for (const Case& c : cases) {
      const Octets wanted = fromHex(c.packet);
      const Octets iv(wanted.begin() + 8, wanted.begin() + 24);
      Sender sender(engine, aesSha1, fromHex(c.key), someKey(20), c.spi, c.sequence - 1, {iv});
      const Octets sealed = sender.seal(fromHex(c.payload), c.nextHeader).packet;
      CHECK_EQUAL(sealed.size(), wanted.size() + 12);
      CHECK_EQUAL(Octets(sealed.begin(), sealed.end() - 12), wanted);
      Receiver receiver(engine, aesSha1, fromHex(c.key), someKey(20), c.spi);
      const Received opened{OpenResult::ok, c.nextHeader, fromHex(c.payload), true, true};
      CHECK(receiver.open(sealed) == opened);
    }
  });
}

TEST("what is sealed opens, for every transform, every length up to 70 and some long ones; lengths are as promised") {
  eachEngine([](crypto::Engine& engine) {
    for (const Transform& transform : allTransforms()) {
      Ends ends(engine, transform);
      // RFC 4303 §2.3: what is inside stands on a multiple of four octets, for IPv6 of eight, from the ESP header on.
      CHECK_EQUAL(transform.headRoom() % 8, 0U);
      std::uint64_t octets = 0;
      std::uint64_t packets = 0;
      const auto roundTrip = [&](std::size_t length) {
        Octets payload(length);
        for (std::size_t i = 0; i < length; ++i) payload[i] = static_cast<std::uint8_t>(i * 7 + length);
        const Sent sent = ends.sender.seal(payload, 17);
        CHECK_EQUAL(sent.result, SealResult::ok);
        CHECK(sent.packet.size() % 4 == 0);
        CHECK(transform.largestPayload(sent.packet.size()) >= length);
        CHECK(transform.sealedLength(transform.largestPayload(sent.packet.size())) == sent.packet.size());
        const Received opened{OpenResult::ok, 17, payload, packets == 0, true};
        CHECK(ends.receiver.open(sent.packet) == opened);
        octets += length;
        ++packets;
      };
      for (std::size_t length = 0; length <= 70; ++length) roundTrip(length);
      for (const std::size_t length : std::initializer_list<std::size_t>{575, 1399, 1400, 1401, 9000, 65000})
        roundTrip(length);
      CHECK_EQUAL(ends.sender.sa().counters(), (Counters{.packets = packets, .octets = octets}));
      CHECK_EQUAL(ends.receiver.sa().counters(), (Counters{.packets = packets, .octets = octets}));
    }
  });
}

TEST("padding is 1, 2, 3 and the trailer stands on a multiple of four octets (RFC 4303 section 2.4)") {
  const auto engine = crypto::makeEngine();
  Ends ends(*engine, nullSha1);
  const auto text = [&](const Octets& payload) {
    const Octets packet = ends.sender.seal(payload, 17).packet;
    return toHex(Octets(packet.begin() + 8, packet.end() - 12));
  };
  CHECK_EQUAL(text(fromHex("aa")), "aa010111");
  CHECK_EQUAL(text(fromHex("aabb")), "aabb0011");
  CHECK_EQUAL(text(fromHex("aabbcc")), "aabbcc0102030311");
  CHECK_EQUAL(text(fromHex("aabbccdd")), "aabbccdd01020211");
}

TEST("padding that does not count, or is longer than the packet, is malformed; longer padding that counts is not") {
  eachEngine([](crypto::Engine& engine) {
    Ends ends(engine, nullSha1);
    auto open = [&, sequence = 0U](const char* text) mutable {
      return ends.receiver.open(sealByHand(engine, nullSha1, ++sequence, fromHex(text)));
    };
    CHECK_EQUAL(open("aabbcc0102030311").result, OpenResult::ok);
    CHECK_EQUAL(open("aabbcc0102040311").result, OpenResult::malformed);
    CHECK_EQUAL(open("aabbcc0002030311").result, OpenResult::malformed);
    CHECK_EQUAL(open("aabb0311").result, OpenResult::malformed);
    CHECK_EQUAL(open("aabbff11").result, OpenResult::malformed);
    // Octets that would count on, but stand in the header: the sequence number is 01020304.
    const Octets reaching = sealByHand(engine, nullSha1, 0x01020304, fromHex("05060611"));
    Ends fresh(engine, nullSha1);
    CHECK_EQUAL(fresh.receiver.open(reaching).result, OpenResult::malformed);
    const Received empty{OpenResult::ok, 17, {}, false, true};
    CHECK(open("01020304050606"
               "11") == empty);
    const Received one{OpenResult::ok, 17, fromHex("aa"), false, true};
    CHECK(open("aa0102030405060708090a0b0c0d0d"
               "11") == one);
    CHECK_EQUAL(ends.receiver.sa().counters(), (Counters{.packets = 3, .octets = 4, .malformed = 4}));
  });
}

TEST("a dummy packet is dropped and takes its number (RFC 4303 section 2.6)") {
  eachEngine([](crypto::Engine& engine) {
    Ends ends(engine, aesSha1);
    const Octets dummy = ends.sender.seal(Octets(40), esp::nextHeaderNone).packet;
    const Received dropped{OpenResult::dummy, 0, {}, true, true};
    CHECK(ends.receiver.open(dummy) == dropped);
    CHECK_EQUAL(ends.receiver.open(dummy).result, OpenResult::replayed);
    CHECK_EQUAL(ends.receiver.sa().counters(), (Counters{.replayed = 1, .dummies = 1}));
  });
}

TEST("a changed bit anywhere is a forgery or an unknown SPI, and changes no state") {
  eachEngine([](crypto::Engine& engine) {
    for (const Transform& transform : allTransforms()) {
      Ends ends(engine, transform);
      const Octets packet = ends.sender.seal(fromHex("0102030405060708090a0b0c0d0e0f1011"), 17).packet;
      std::uint64_t forged = 0;
      std::vector<Octets> batch;
      for (std::size_t at = 0; at < packet.size(); ++at) {
        batch.push_back(packet);
        batch.back()[at] ^= static_cast<std::uint8_t>(1U << (at % 8));
      }
      const std::vector<Received> received = ends.receiver.openAll(batch);
      for (std::size_t at = 0; at < received.size(); ++at) {
        // A low half changed to 0 would be a replay; none of these is.
        CHECK_EQUAL(received[at].result, at < 4 ? OpenResult::unknownSpi : OpenResult::forged);
        CHECK(!received[at].first && !received[at].newest && received[at].payload.empty());
        if (received[at].result == OpenResult::forged) ++forged;
      }
      CHECK_EQUAL(ends.receiver.sa().window().top(), 0U);
      CHECK_EQUAL(ends.receiver.sa().counters(), (Counters{.forged = forged}));
      CHECK_EQUAL(ends.receiver.open(packet).result, OpenResult::ok);
    }
  });
}

TEST("packets of other lengths than whole blocks, and truncated ones, are refused before any work") {
  eachEngine([](crypto::Engine& engine) {
    for (const Transform& transform : allTransforms()) {
      Ends ends(engine, transform);
      const Octets packet = ends.sender.seal(Octets(61), 17).packet;
      const auto whole = [](const Transform& one, std::size_t length) {
        const std::size_t fixed = one.headRoom() + one.icvLength();
        return length >= fixed + one.blockSize() && (length - fixed) % one.blockSize() == 0;
      };
      const auto other = crypto::otherTruncation(transform);
      for (std::size_t length = 0; length < packet.size(); ++length) {
        // With its integrity value cut to the other length it is that transform's (test/truncation.cc).
        if (other && packet.size() - length == 4 && other->icvLength() < transform.icvLength()) continue;
        const OpenResult result =
            ends.receiver.open(Octets(packet.begin(), packet.begin() + static_cast<std::ptrdiff_t>(length))).result;
        const bool asIfWhole = whole(transform, length) || (other && whole(*other, length));
        CHECK_EQUAL(result, asIfWhole ? OpenResult::forged : OpenResult::tooShort);
      }
      CHECK_EQUAL(ends.receiver.sa().window().top(), 0U);
    }
  });
}

TEST("the same packet twice in one batch is taken once: the window is asked again after authentication") {
  eachEngine([](crypto::Engine& engine) {
    for (const Transform& transform : allTransforms()) {
      Ends ends(engine, transform);
      const Octets one = ends.sender.seal(Octets(20), 17).packet;
      const Octets two = ends.sender.seal(Octets(20), 17).packet;
      const auto received = ends.receiver.openAll({two, one, one, two});
      const Received newest{OpenResult::ok, 17, Octets(20), true, true};
      const Received late{OpenResult::ok, 17, Octets(20), false, false};
      const Received replayed{OpenResult::replayed, 0, {}, false, false};
      CHECK((received == std::vector{newest, late, replayed, replayed}));
      CHECK_EQUAL(ends.receiver.sa().counters(), (Counters{.packets = 2, .octets = 40, .replayed = 2}));
    }
  });
}

TEST("an old number is refused before its integrity value is looked at (RFC 4303 section 3.4.3)") {
  eachEngine([](crypto::Engine& engine) {
    Ends ends(engine, aesSha1);
    Octets packet = ends.sender.seal(Octets(20), 17).packet;
    CHECK_EQUAL(ends.receiver.open(packet).result, OpenResult::ok);
    packet.back() ^= 1;
    CHECK_EQUAL(ends.receiver.open(packet).result, OpenResult::replayed);
    CHECK_EQUAL(ends.receiver.sa().counters(), (Counters{.packets = 1, .octets = 20, .replayed = 1}));
  });
}

TEST("sequence numbers never wrap: the SA refuses, and says so in time (RFC 4303 section 3.3.3)") {
  const auto engine = crypto::makeEngine();
  // Three quarters of 2^32 - 1, rounded down: 0xbffffffd.
  Ends low(*engine, aesSha1, 0xbffffffbU);
  CHECK(!low.sender.seal(Octets(4)).sequenceLow);
  CHECK(low.sender.seal(Octets(4)).sequenceLow);
  CHECK(!low.sender.seal(Octets(4)).sequenceLow);
  CHECK_EQUAL(low.sender.sa().sequence(), 0xbffffffeU);

  Ends last(*engine, aesSha1, 0xfffffffdU);
  CHECK(last.sender.seal(Octets(4)).sequenceLow);
  const Sent final = last.sender.seal(Octets(4));
  CHECK_EQUAL(toHex(final.packet).substr(0, 16), "00004321ffffffff");
  for (int i = 0; i < 3; ++i) {
    const Sent refused{SealResult::exhausted, false, {}};
    CHECK(last.sender.seal(Octets(4)) == refused);
  }
  CHECK_EQUAL(last.sender.sa().counters(), (Counters{.packets = 2, .octets = 8}));

  constexpr Transform esn{Cipher::aesCbc, 128, Integrity::hmacSha1_96, true};
  Ends end(*engine, esn, 0xffffffff'fffffffeU);
  CHECK_EQUAL(end.sender.seal(Octets(4)).result, SealResult::ok);
  CHECK_EQUAL(end.sender.seal(Octets(4)).result, SealResult::exhausted);
}

TEST("a batch that meets the end of the sequence space sends what is left of it, in order") {
  const auto engine = crypto::makeEngine();
  Ends ends(*engine, aesSha1, 0xfffffffcU);
  Ends other(*engine, aesSha1);
  constexpr std::size_t stride = 128;
  Octets memory(8 * stride);
  std::vector<esp::OutboundPacket> batch(8);
  for (std::size_t i = 0; i < batch.size(); ++i) {
    batch[i] = {.sa = i == 2 ? &other.sender.sa() : &ends.sender.sa(),
                .payload = memory.data() + i * stride + 32,
                .length = 10,
                .nextHeader = 17};
  }
  ends.sender.worker().seal(batch);
  std::string seen;
  for (const auto& packet : batch) {
    seen += packet.result == SealResult::ok ? toHex(packet.esp + 4, 4) + " " : "exhausted ";
  }
  CHECK_EQUAL(seen, "fffffffd fffffffe 00000001 ffffffff exhausted exhausted exhausted exhausted ");
  CHECK_EQUAL(ends.sender.sa().counters(), (Counters{.packets = 3, .octets = 30}));
}

TEST("a payload that no IP packet can carry is refused and takes no number") {
  const auto engine = crypto::makeEngine();
  Ends ends(*engine, aesSha1);
  CHECK_EQUAL(ends.sender.seal(Octets(65515)).result, SealResult::tooLong);
  CHECK_EQUAL(ends.sender.seal(Octets(65400)).result, SealResult::ok);
  CHECK_EQUAL(ends.sender.sa().sequence(), 1U);
}

TEST(
    "ESN: packets go on opening while the low half rolls over, late ones too, and a replay of the cycle before does "
    "not") {
  eachEngine([](crypto::Engine& engine) {
    for (const Transform& transform : allTransforms()) {
      if (!transform.esn) continue;
      Ends ends(engine, transform, 0xfffffff0U);
      std::vector<Octets> sent;
      for (int i = 0; i < 40; ++i) sent.push_back(ends.sender.seal(Octets(30)).packet);
      CHECK_EQUAL(toHex(sent[15]).substr(8, 8), "00000000");
      for (std::size_t i = 0; i < 40; ++i) {
        // Number 10 is held back and comes after the roll-over.
        if (i == 10) continue;
        CHECK_EQUAL(ends.receiver.open(sent[i]).result, OpenResult::ok);
        if (i == 20) CHECK_EQUAL(ends.receiver.open(sent[10]).result, OpenResult::ok);
        CHECK_EQUAL(ends.receiver.open(sent[i]).result, OpenResult::replayed);
      }
      CHECK_EQUAL(ends.receiver.sa().window().top(), 0x1'00000018U);
      CHECK_EQUAL(ends.receiver.open(sent[10]).result, OpenResult::replayed);
    }
  });
}

TEST("IVs: CBC's come from the random source and differ; GCM's are the sequence number") {
  const auto engine = crypto::makeEngine();
  const auto iv = [](const Octets& packet, std::size_t length) { return toHex(packet.data() + 8, length); };
  Sender cbc(*engine, aesSha1, someKey(16), someKey(20), spi, 0,
             {fromHex("00112233445566778899aabbccddeeff"), fromHex("ffeeddccbbaa99887766554433221100")});
  CHECK_EQUAL(iv(cbc.seal(Octets(4)).packet, 16), "00112233445566778899aabbccddeeff");
  CHECK_EQUAL(iv(cbc.seal(Octets(4)).packet, 16), "ffeeddccbbaa99887766554433221100");
  constexpr Transform gcm{Cipher::aesGcm, 128, Integrity::none, true};
  Sender counter(*engine, gcm, someKey(20), {}, spi, 0x1'ffffffffULL);
  CHECK_EQUAL(iv(counter.seal(Octets(4)).packet, 8), "0000000200000000");
  CHECK_EQUAL(iv(counter.seal(Octets(4)).packet, 8), "0000000200000001");
}

TEST("the random source gives different octets each time, and two of them do not agree") {
  const auto one = crypto::makeRandomSource();
  const auto two = crypto::makeRandomSource();
  std::vector<std::string> blocks;
  Octets block(16);
  // Enough to refill several times; 2^-128 is no flaky test.
  for (int i = 0; i < 5000; ++i) {
    for (const auto& source : {one.get(), two.get()}) {
      source->fill(block);
      blocks.push_back(toHex(block));
    }
  }
  std::ranges::sort(blocks);
  CHECK(std::ranges::adjacent_find(blocks) == blocks.end());
  std::size_t ones = 0;
  for (const std::string& hex : blocks)
    ones += static_cast<std::size_t>(std::popcount(static_cast<unsigned>(std::stoul(hex.substr(0, 8), nullptr, 16))));
  // 320,000 fair bits: twelve standard deviations are 3,394.
  CHECK(ones > 156'606 && ones < 163'394);
}

namespace {

/// What one engine seals the other opens, and the other way round.
void checkAgreement(crypto::Engine& first, crypto::Engine& second, int rounds) {
  std::mt19937_64 random(42);
  const std::vector<Transform> transforms = allTransforms();
  for (int round = 0; round < rounds; ++round) {
    crypto::Engine& sealing = round % 2 == 0 ? first : second;
    crypto::Engine& opening = round % 2 == 0 ? second : first;
    esp::EpochDomain domain;
    esp::SaTable table(domain);
    std::vector<std::unique_ptr<esp::OutboundSa>> senders;
    for (std::size_t i = 0; i < transforms.size(); ++i) {
      Octets cipherKey(transforms[i].cipherKeyLength());
      Octets integrityKey(transforms[i].integrityKeyLength());
      for (Octets* key : {&cipherKey, &integrityKey})
        std::ranges::generate(*key, [&] { return static_cast<std::uint8_t>(random()); });
      const auto number = static_cast<std::uint32_t>(1000 + i);
      senders.push_back(std::make_unique<esp::OutboundSa>(
          number, sealing.expand(transforms[i], crypto::Direction::seal, cipherKey, integrityKey), nullptr,
          0xffffff00U - (random() & 0xff)));
      auto receiver = std::make_unique<esp::InboundSa>(
          number, opening.expand(transforms[i], crypto::Direction::open, cipherKey, integrityKey));
      CHECK(table.add(receiver));
    }
    esp::Worker sealer(sealing);
    esp::Worker opener(opening);
    constexpr std::size_t stride = 2048;
    const std::size_t count = 1 + random() % 600;
    Octets memory(count * stride);
    std::ranges::generate(memory, [&] { return static_cast<std::uint8_t>(random()); });
    std::vector<Octets> payloads(count);
    std::vector<esp::OutboundPacket> out(count);
    for (std::size_t i = 0; i < count; ++i) {
      std::uint8_t* payload = memory.data() + i * stride + 64;
      out[i] = {.sa = senders[random() % senders.size()].get(),
                .payload = payload,
                .length = static_cast<std::uint32_t>(random() % 1500),
                .nextHeader = 17};
      payloads[i].assign(payload, payload + out[i].length);
    }
    sealer.seal(out);
    std::vector<esp::InboundPacket> in(count);
    for (std::size_t i = 0; i < count; ++i) {
      CHECK_EQUAL(out[i].result, SealResult::ok);
      in[i] = {.esp = out[i].esp, .length = out[i].espLength};
    }
    esp::EpochDomain::Reader reader(domain);
    const esp::EpochDomain::Guard inside(reader);
    opener.open(table, in);
    for (std::size_t i = 0; i < count; ++i) {
      CHECK_EQUAL(in[i].result, OpenResult::ok);
      if (in[i].result == OpenResult::ok)
        CHECK(Octets(in[i].payload, in[i].payload + in[i].payloadLength) == payloads[i]);
    }
  }
}

}  // namespace

TEST("engines agree: what one seals the other opens, in batches of random lengths, SAs and transforms") {
  const auto openssl = crypto::makeEngine("openssl");
  eachEngine([&](crypto::Engine& engine) {
    if (engine.name() != "openssl") checkAgreement(engine, *openssl, engine.name() == "ipsec-mb" ? 60 : 6);
  });
}

TEST("SAs refuse reserved SPIs and keys of the other direction") {
  const auto engine = crypto::makeEngine();
  const auto key = [&](crypto::Direction direction) { return engine->expand(nullSha1, direction, {}, Octets(20)); };
  CHECK_THROWS(esp::InboundSa(255, key(crypto::Direction::open)), std::invalid_argument);
  CHECK_THROWS(esp::OutboundSa(0, key(crypto::Direction::seal)), std::invalid_argument);
  CHECK_THROWS(esp::InboundSa(256, key(crypto::Direction::seal)), std::invalid_argument);
  CHECK_THROWS(esp::OutboundSa(256, key(crypto::Direction::open)), std::invalid_argument);
}

}  // namespace gatehouse::test
