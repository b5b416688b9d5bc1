// CBC by one call against published vectors, and what doesn't fit together.
#include "crypto/block-cipher.h"

#include "test/test.h"

namespace gatehouse::test {
namespace {

struct Vector {
  const char* key;
  const char* iv;
  const char* plain;
  const char* cipher;
};

constexpr Vector vectors[] = {
    // RFC 3602 §4, cases 1 and 2.
    {"06a9214036b8a15b512e03d534120006", "3dafba429d9eb430b422da802c9fac41", "53696e676c6520626c6f636b206d7367",
     "e353779c1079aeb82708942dbe77181a"},
    {"c286696d887c9aa0611bbb3e2025a45a", "562e17996d093d28ddb3ba695a2e6f58",
     "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
     "d296cd94c2cccf8a3a863028b5e1dc0a7586602d253cfff91b8266bea6d61ab1"},
    // NIST SP 800-38A F.2.3 and F.2.5.
    {"8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b", "000102030405060708090a0b0c0d0e0f",
     "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51",
     "4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a"},
    {"603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4", "000102030405060708090a0b0c0d0e0f",
     "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51",
     "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d"},
    // FIPS 81 app. C, with its key three times.
    {"0123456789abcdef0123456789abcdef0123456789abcdef", "1234567890abcdef",
     "4e6f77206973207468652074696d6520666f7220616c6c20", "e5c7cdde872bf27c43e934008c389c0f683788499a7c05f6"},
};

}  // namespace

TEST("block cipher: vectors, there and back") {
  for (const auto& [key, iv, plain, cipher] : vectors) {
    about(key);
    Octets text = fromHex(plain);
    CHECK(crypto::codeCbc(crypto::Coding::encrypt, fromHex(key), fromHex(iv), text));
    CHECK_EQUAL(text, fromHex(cipher));
    CHECK(crypto::codeCbc(crypto::Coding::decrypt, fromHex(key), fromHex(iv), text));
    CHECK_EQUAL(text, fromHex(plain));
  }
  about("");
}

TEST("block cipher: what doesn't fit together is refused and left as it is") {
  Octets text(32, 7);
  const auto coded = [&](size_t key, size_t iv, std::span<uint8_t> part) {
    return crypto::codeCbc(crypto::Coding::encrypt, Octets(key, 1), Octets(iv, 2), part);
  };
  CHECK(!coded(15, 16, text));
  CHECK(!coded(16, 8, text));
  CHECK(!coded(32, 8, text));
  CHECK(!coded(16, 0, text));
  CHECK(!coded(16, 16, std::span(text).first(31)));
  CHECK_EQUAL(text, Octets(32, 7));
  CHECK(coded(16, 16, {}));
  CHECK(coded(16, 16, text));
}

}  // namespace gatehouse::test
