// Vectors of the ciphers, through each engine: AES-CBC (RFC 3602 §4), AES-GCM as ESP uses it (draft-mcgrew-gcm-test-01, the companion of RFC 4106),
// DES-CBC (FIPS 81) and 3DES (NIST SP 800-67 appendix B; RFC 2451 has none).
#include "test/crypto-support.h"

namespace gatehouse::test {

namespace {

using crypto::Cipher;
using crypto::Integrity;
using crypto::Status;
using crypto::Transform;

const Octets sha1Key(20, 0x5a);

/// CBC never stands alone in ESP; the vector's octets are compared, the ICV behind them is proven by opening.
void checkCbc(crypto::Engine& engine, const Transform& transform, const Octets& key, const Octets& iv,
              const Octets& plain, const Octets& cipher) {
  const Octets header = fromHex("0000432100000001");
  const Octets sealed = sealWith(engine, transform, key, sha1Key, header + iv + plain);
  const Octets withoutIcv(sealed.begin(), sealed.end() - static_cast<std::ptrdiff_t>(transform.icvLength()));
  CHECK_EQUAL(withoutIcv, header + iv + cipher);
  const Opened opened{Status::ok, header + iv + plain};
  CHECK(openWith(engine, transform, key, sha1Key, sealed) == opened);
}

struct CbcVector {
  const char* key;
  const char* iv;
  const char* plain;
  const char* cipher;
};

constexpr CbcVector aesVectors[] = {
    // RFC 3602 §4, cases 1 to 4.
    {"06a9214036b8a15b512e03d534120006", "3dafba429d9eb430b422da802c9fac41", "53696e676c6520626c6f636b206d7367",
     "e353779c1079aeb82708942dbe77181a"},
    {"c286696d887c9aa0611bbb3e2025a45a", "562e17996d093d28ddb3ba695a2e6f58",
     "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
     "d296cd94c2cccf8a3a863028b5e1dc0a7586602d253cfff91b8266bea6d61ab1"},
    {"6c3ea0477630ce21a2ce334aa746c2cd", "c782dc4c098c66cbd9cd27d825682c81",
     "5468697320697320612034382d62797465206d657373616765202865786163746c7920332041455320626c6f636b7329",
     "d0a02b3836451753d493665d33f0e8862dea54cdb293abc7506939276772f8d5021c19216bad525c8579695d83ba2684"},
    {"56e47a38c5598974bc46903dba290349", "8ce82eefbea0da3c44699ed7db51b7d9",
     "a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7"
     "d8d9dadbdcdddedf",
     "c30e32ffedc0774e6aff6af0869f71aa0f3af07a9a31a9c684db207eb0ef8e4e35907aa632c3ffdf868bb7b29d3d46ad83ce9f9a102ee99d"
     "49a53e87f4c3da55"},
    // NIST SP 800-38A F.2.3 and F.2.5: 192 and 256 bits.
    {"8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b", "000102030405060708090a0b0c0d0e0f",
     "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51",
     "4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a"},
    {"603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4", "000102030405060708090a0b0c0d0e0f",
     "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51",
     "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d"},
};

struct GcmVector {
  const char* key;
  const char* salt;
  const char* iv;
  /// SPI, the high half of the sequence number with ESN, the low half.
  const char* aad;
  const char* plain;
  const char* cipher;
  const char* tag;
};

constexpr GcmVector gcmVectors[] = {
    {"4c80cdefbb5d10da906ac73c3613a634", "2e443b68", "4956ed7e3b244cfe", "000043218765432100000000",
     "45000048699a000080114db7c0a80102c0a801010a9bf15638d301000001000000000000045f736970045f756470037369700963796265726"
     "369"
     "747902646b000021000101020201",
     "fecf537e729d5b07dc30df528dd22b768d1b98736696a6fd348509fa13ceac34cfa2436f14a3f3cf65925bf1f4a13c5d15b21e1884f5ff624"
     "7ae"
     "abb786b93bce61bc17d768fd9732",
     "459018148f6cbe722fd04796562dfdb4"},
    {"feffe9928665731c6d6a8f9467308308", "cafebabe", "facedbaddecaf888", "0000a5f80000000a",
     "4500003e698f000080114dccc0a80102c0a801010a980035002a2343b2d001000001000000000000037369700963796265726369747902646"
     "b00"
     "000100010001",
     "deb22cd9b07c72c16e3a65beeb8df304a5a5897d33ae530f1ba76d5d114d2a5c3de81827c10e9a4f51330d0eec416642cfbb85a5b47e48a4e"
     "c3b"
     "9ba95d918bd1",
     "83b70d3aa8bc6ee4c309e9d85a41ad4a"},
    {"abbccddef00112233445566778899aababbccddef00112233445566778899aab", "11223344", "0102030405060708",
     "4a2cbfe300000002",
     "4500003069a6400080062690c0a801029389155e0a9e008b2dc57ee0000000007002400020bf0000020405b40101040201020201",
     "ff425c9b724599df7a3bcd510194e00d6a78107f1b0b1cbf06efae9d65a5d763748a637985771d347f0545659f14e99def842d8e",
     "b335f4eecfdbf831824b4c4915956c96"},
    {"00000000000000000000000000000000", "00000000", "0000000000000000", "0000000000000001",
     "4500003c99c500008001cb7a40679318010101010800075c020044006162636465666768696a6b6c6d6e6f707172737475767761626364656"
     "667"
     "686901020201",
     "4688daf2f973a392732909c331d56d60f694abaa414b5e7ff5fdcdfff5e9a284456476492719ffb64de7d9dca1e1d894bc3bd57873ed4d181"
     "d19"
     "d4d5c8c18af3",
     "f821d496eeb096e98ad2b69e4799c71d"},
    {"3de09874b388e6491988d0c3607eae1f", "57690e43", "4e280000a2fca1a3", "42f67e3f1010101010101010",
     "4500003c99c300008001cb7c40679318010101010800085c020043006162636465666768696a6b6c6d6e6f707172737475767761626364656"
     "667"
     "686901020201",
     "fba2caa4853cf9f0f22cb10d86dd83b0fec75691cf1a04b00d1138ec9c35791765acbd8701ad79845bf9fe3fba487bc91755e6662b4c8d0d1"
     "f5e"
     "22739530320a",
     "e0d731cc978ecafaeae88f00e80d6e48"},
    {"3de09874b388e6491988d0c3607eae1f", "57690e43", "4e280000a2fca1a3", "42f67e3f1010101010101010",
     "4500001c42a200008001441f406793b6e00000020a00f5ff01020201",
     "fba2ca845e5df9f0f22c3e6e86dd831e1fc65792cd1af9130e1379ed", "369f071f35e034be95f112e4e7d05d35"},
    {"feffe9928665731c6d6a8f9467308308feffe9928665731c", "cafebabe", "facedbaddecaf888", "0000a5f80000000a",
     "45000028a4ad4000400678800a01038f0a010612802306b8cb712602dd6bb03e501016d075680001",
     "a5b1f8066029aea40e598b8122de02420938b3ab33f828e687b8858b5bfbdbd0315b27452144cc77",
     "95457b9652037f5318027b5b4cd7a636"},
    {"abbccddef00112233445566778899aab", "decaf888", "cafedebaceface74", "000001000000000000000001",
     "4500004933ba00007f119106c3fb1d10c2b1d326c02831ce0035dd7b800302d500004e20001e8c18d75b81dc91baa0476b91b924b280389d9"
     "2c9"
     "63bac046ec959b6266c04722b14923010101",
     "18a6fd42f72cbf4ab2a2ea901f73d814e3e7f243d95412e1c349c1d2fbec168f9190feebaf2cb01984e65863965d7472b79da345e0e780191"
     "f0d"
     "2f0e0f496c226f2127b27db35724e7845d68",
     "651f57e65f354f75ff17015769623436"},
    {"abbccddef00112233445566778899aababbccddef00112233445566778899aab", "73616c74", "616e640169766563",
     "17405e67156f3126dd0db99b", "45080028732c00004006e9f90a0106120a01038f06b88023dd6bafbecb71260250101f646d540001",
     "f2d69ecdbd5a0d5b8d5ef38bad4da58d1f278fde98ef67549d524a3018d9a57ff4d3a31ce673119e",
     "451626c2415771e3b7eebca614c89b35"},
    {"3de09874b388e6491988d0c3607eae1f", "57690e43", "4e280000a2fca1a3", "42f67e3f1010101010101010",
     "45000049333e00007f119182c3fb1d10c2b1d326c02831ce0035cb458003025b000001e0001e8c18d65759d52284a0352c71475c8880391c7"
     "64d"
     "6e5ee0496b325ae270c03899493915010101",
     "fba2cad12fc1f9f00d3cebf305410db83d7784b607323d220f24b0a97d54182800cadb0f68d99ef0e0c0c89ae9bea8884e52d65bc1afd0740"
     "f74"
     "2444747b5b39ab533163aad4550ee5160975",
     "cdb608c5769189609763b8e18caa81e2"},
    {"abbccddef00112233445566778899aababbccddef00112233445566778899aab", "73616c74", "616e640169766563",
     "17405e67156f3126dd0db99b",
     "636973636f0172756c657301746865016e6574776501646566696e6501746865746563686e6f6c6f67696573017468617477696c6c0164656"
     "669"
     "6e65746f6d6f72726f7701020201",
     "d4b7ed86a1777f2ea13d6973d324c69e7b43f826fb56831226508bebd2dceb18d0a6df10e5487df074113e14c641024e3e6773d91a62ee429"
     "b04"
     "3a10e3efe6b012a49363412364f8",
     "c0cac587f249e56b11e24f30e44ccc76"},
    {"7d773d00c144c525ac619d18c84a3f47", "d9664267", "43457e9182443bc6", "335467aeffffffff", "01020201", "437f866b",
     "cb3f699fe9b0822bac961c4504bef270"},
    {"abbccddef00112233445566778899aab", "decaf888", "cafedebaceface74", "000001000000000000000001",
     "746f016265016f72016e6f7401746f0162650001", "29c9fc69a197d038ccdd14e2ddfcaa0543332164",
     "412503524303ed3c6c5f283843af8c3e"},
    {"6c6567616c697a656d6172696a75616e61616e64646f69746265666f72656961", "7475726e", "333021696765746d",
     "796b6963ffffffffffffffff",
     "45000030da3a00008001df3bc0a80005c0a800010800c6cd020007006162636465666768696a6b6c6d6e6f707172737401020201",
     "f97ab2aa356d8edce17644ac8c78e25dd24dedbb29ebf1b64a274b39b49c3a864cd3d78ca4ae68a32b42458fb57dbe821dcc63b9",
     "d0937ba2945f669368661a329fb4c053"},
};

std::uint32_t big32(const Octets& octets, std::size_t at) {
  return static_cast<std::uint32_t>(octets[at] << 24 | octets[at + 1] << 16 | octets[at + 2] << 8 | octets[at + 3]);
}

}  // namespace

TEST("AES-CBC vectors of RFC 3602 and SP 800-38A on each engine") {
  eachEngine([](crypto::Engine& engine) {
    for (const CbcVector& v : aesVectors) {
      const Octets key = fromHex(v.key);
      const Transform transform{Cipher::aesCbc, static_cast<std::uint16_t>(key.size() * 8), Integrity::hmacSha1_96};
      checkCbc(engine, transform, key, fromHex(v.iv), fromHex(v.plain), fromHex(v.cipher));
    }
  });
}

TEST("DES-CBC vector of FIPS 81 on each engine") {
  eachEngine([](crypto::Engine& engine) {
    checkCbc(engine, {Cipher::desCbc, 0, Integrity::hmacSha1_96}, fromHex("0123456789abcdef"),
             fromHex("1234567890abcdef"), fromHex("4e6f77206973207468652074696d6520666f7220616c6c20"),
             fromHex("e5c7cdde872bf27c43e934008c389c0f683788499a7c05f6"));
  });
}

TEST("3DES vectors of SP 800-67 on each engine") {
  // They are of single blocks, which CBC with a zero IV does not change.
  constexpr const char* blocks[][2] = {{"5468652071756663", "a826fd8ce53b855f"},
                                       {"6b2062726f776e20", "cce21c8112256fe6"},
                                       {"666f78206a756d70", "68d5c05dd9b6b900"}};
  eachEngine([&](crypto::Engine& engine) {
    for (const auto& [plain, cipher] : blocks) {
      checkCbc(engine, {Cipher::tripleDesCbc, 0, Integrity::hmacSha1_96},
               fromHex("0123456789abcdef23456789abcdef01456789abcdef0123"), Octets(8), fromHex(plain), fromHex(cipher));
    }
  });
}

TEST("AES-GCM vectors of draft-mcgrew-gcm-test-01 on each engine, with and without ESN") {
  eachEngine([](crypto::Engine& engine) {
    for (const GcmVector& v : gcmVectors) {
      const Octets key = fromHex(v.key);
      const Octets aad = fromHex(v.aad);
      const bool esn = aad.size() == 12;
      const Transform transform{Cipher::aesGcm, static_cast<std::uint16_t>(key.size() * 8), Integrity::none, esn};
      const Octets material = key + fromHex(v.salt);
      const Octets spi(aad.begin(), aad.begin() + 4);
      const Octets low(aad.end() - 4, aad.end());
      const std::uint32_t high = esn ? big32(aad, 4) : 0;
      const Octets head = spi + low + fromHex(v.iv);

      const Octets sealed = sealWith(engine, transform, material, {}, head + fromHex(v.plain), high);
      CHECK_EQUAL(sealed, head + fromHex(v.cipher) + fromHex(v.tag));
      const Opened opened{Status::ok, head + fromHex(v.plain)};
      CHECK(openWith(engine, transform, material, {}, sealed, high) == opened);
      if (esn) {
        CHECK_EQUAL(openWith(engine, transform, material, {}, sealed, high + 1).status, Status::badIntegrity);
      }
    }
  });
}

TEST("keys of wrong length and impossible pairs are refused in words") {
  eachEngine([](crypto::Engine& engine) {
    const auto expand = [&](const Transform& t, std::size_t cipher, std::size_t integrity) {
      (void)engine.expand(t, crypto::Direction::seal, Octets(cipher), Octets(integrity));
    };
    CHECK_THROWS(expand({Cipher::aesCbc, 128, Integrity::hmacSha1_96}, 15, 20), std::invalid_argument);
    CHECK_THROWS(expand({Cipher::aesCbc, 128, Integrity::hmacSha1_96}, 16, 19), std::invalid_argument);
    CHECK_THROWS(expand({Cipher::aesCbc, 120, Integrity::hmacSha1_96}, 15, 20), std::invalid_argument);
    CHECK_THROWS(expand({Cipher::aesCbc, 128, Integrity::none}, 16, 0), std::invalid_argument);
    CHECK_THROWS(expand({Cipher::aesGcm, 128, Integrity::none}, 16, 0), std::invalid_argument);
    CHECK_THROWS(expand({Cipher::aesGcm, 128, Integrity::hmacSha1_96}, 20, 20), std::invalid_argument);
    CHECK_THROWS(expand({Cipher::null, 0, Integrity::none}, 0, 0), std::invalid_argument);
    expand({Cipher::null, 0, Integrity::hmacMd5_96}, 0, 16);
    try {
      expand({Cipher::tripleDesCbc, 0, Integrity::hmacSha1_96}, 23, 20);
    } catch (const std::invalid_argument& error) {
      CHECK_EQUAL(std::string(error.what()), "the cipher key of 3des-sha1 has 23 octets, not 24");
    }
  });
}

TEST("an engine fails jobs whose lengths do not fit instead of touching them") {
  eachEngine([](crypto::Engine& engine) {
    const auto key =
        engine.expand({Cipher::aesCbc, 128, Integrity::hmacSha1_96}, crypto::Direction::seal, Octets(16), sha1Key);
    const auto context = engine.makeContext();
    for (const std::uint32_t length : {0U, 8U, 24U, 25U, 39U, 41U, 0x10000U, 0x10008U}) {
      Octets packet(0x10100, 0xee);
      crypto::Job job{.key = key.get(), .packet = packet.data(), .length = length};
      context->seal({&job, 1});
      CHECK_EQUAL(job.status, Status::failed);
      CHECK(packet == Octets(0x10100, 0xee));
      context->open({&job, 1});
      CHECK_EQUAL(job.status, Status::failed);
    }
  });
}

TEST("transforms are named as proposal strings write them") {
  CHECK_EQUAL(nameOf(*crypto::transformFromNames("aes256", "sha256_96", false)), "aes256-sha256_96");
  CHECK_EQUAL(nameOf(*crypto::transformFromNames("aes128gcm16", "", true)), "aes128gcm16");
  CHECK_EQUAL(nameOf(*crypto::transformFromNames("3des", "md5", false)), "3des-md5");
  CHECK(!crypto::transformFromNames("aes128gcm16", "sha1", false));
  CHECK(!crypto::transformFromNames("aes128", "", false));
  CHECK(!crypto::transformFromNames("null", "", false));
  CHECK(!crypto::transformFromNames("blowfish", "sha1", false));
}

}  // namespace gatehouse::test
