// HMAC vectors of RFC 2202 (MD5, SHA1) and RFC 4231 (SHA2), cut as RFC 2403, 2404 and 4868 say, through each engine with the NULL cipher.
// Keys shorter than the algorithm's are given with zeros behind, which RFC 2104 does too. Those longer than ESP's keys cannot occur and are left out.
#include "test/crypto-support.h"

namespace gatehouse::test {

namespace {

using crypto::Cipher;
using crypto::Integrity;
using crypto::Transform;

struct Vector {
  const char* name;
  Integrity integrity;
  const char* key;
  const char* data;
  const char* digest;
};

constexpr const char* hiThere = "4869205468657265";
constexpr const char* jefe = "4a656665";
constexpr const char* whatDoYa = "7768617420646f2079612077616e7420666f72206e6f7468696e673f";
constexpr const char* fiftyDd =
    "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd";
constexpr const char* fiftyCd =
    "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd";
constexpr const char* withTruncation = "546573742057697468205472756e636174696f6e";
constexpr const char* sixteen0b = "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b";
constexpr const char* twenty0b = "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b";
constexpr const char* sixteenAa = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
constexpr const char* twentyAa = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
constexpr const char* sixteen0c = "0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c";
constexpr const char* twenty0c = "0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c";
constexpr const char* counting = "0102030405060708090a0b0c0d0e0f10111213141516171819";

constexpr Vector vectors[] = {
    {"RFC 2202 MD5 1", Integrity::hmacMd5_96, sixteen0b, hiThere, "9294727a3638bb1c13f48ef8158bfc9d"},
    {"RFC 2202 MD5 2", Integrity::hmacMd5_96, jefe, whatDoYa, "750c783e6ab0b503eaa86e310a5db738"},
    {"RFC 2202 MD5 3", Integrity::hmacMd5_96, sixteenAa, fiftyDd, "56be34521d144c88dbb8c733f0e8b3f6"},
    {"RFC 2202 MD5 5", Integrity::hmacMd5_96, sixteen0c, withTruncation, "56461ef2342edc00f9bab995690efd4c"},
    {"RFC 2202 SHA1 1", Integrity::hmacSha1_96, twenty0b, hiThere, "b617318655057264e28bc0b6fb378c8ef146be00"},
    {"RFC 2202 SHA1 2", Integrity::hmacSha1_96, jefe, whatDoYa, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
    {"RFC 2202 SHA1 3", Integrity::hmacSha1_96, twentyAa, fiftyDd, "125d7342b9ac11cd91a39af48aa17b4f63f175d3"},
    {"RFC 2202 SHA1 5", Integrity::hmacSha1_96, twenty0c, withTruncation, "4c1a03424b55e07fe7f27be1d58bb9324a9a5a04"},
    {"RFC 4231 SHA2-256 1", Integrity::hmacSha256_128, twenty0b, hiThere,
     "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
    {"RFC 4231 SHA2-256 2", Integrity::hmacSha256_128, jefe, whatDoYa,
     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
    {"RFC 4231 SHA2-256 3", Integrity::hmacSha256_128, twentyAa, fiftyDd,
     "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
    {"RFC 4231 SHA2-256 4", Integrity::hmacSha256_128, counting, fiftyCd,
     "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
    {"RFC 4231 SHA2-256 5", Integrity::hmacSha256_128, twenty0c, withTruncation, "a3b6167473100ee06e0c796c2955552b"},
    {"RFC 4231 SHA2-256 1, 96 bits", Integrity::hmacSha256_96, twenty0b, hiThere, "b0344c61d8db38535ca8afce"},
    {"RFC 4231 SHA2-256 4, 96 bits", Integrity::hmacSha256_96, counting, fiftyCd, "82558a389a443c0ea4cc8198"},
    {"RFC 4231 SHA2-384 1", Integrity::hmacSha384_192, twenty0b, hiThere,
     "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6"},
    {"RFC 4231 SHA2-384 2", Integrity::hmacSha384_192, jefe, whatDoYa,
     "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649"},
    {"RFC 4231 SHA2-384 3", Integrity::hmacSha384_192, twentyAa, fiftyDd,
     "88062608d3e6ad8a0aa2ace014c8a86f0aa635d947ac9febe83ef4e55966144b2a5ab39dc13814b94e3ab6e101a34f27"},
    {"RFC 4231 SHA2-384 4", Integrity::hmacSha384_192, counting, fiftyCd,
     "3e8a69b7783c25851933ab6290af6ca77a9981480850009cc5577c6e1f573b4e6801dd23c4a7d679ccf8a386c674cffb"},
    {"RFC 4231 SHA2-512 1", Integrity::hmacSha512_256, twenty0b, hiThere,
     "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f170"
     "2e696c203a126854"},
    {"RFC 4231 SHA2-512 2", Integrity::hmacSha512_256, jefe, whatDoYa,
     "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b"
     "636e070a38bce737"},
    {"RFC 4231 SHA2-512 3", Integrity::hmacSha512_256, twentyAa, fiftyDd,
     "fa73b0089d56a284efb0f0756c890be9b1b5dbdd8ee81a3655f83e33b2279d39bf3e848279a722c806b485a47e67c807b946a337bee89426"
     "74278859e13292fb"},
    {"RFC 4231 SHA2-512 4", Integrity::hmacSha512_256, counting, fiftyCd,
     "b0ba465637458c6990e5a8c5f61d4af7e576d97ff94b872de76f8050361ee3dba91ca5c11aa25eb4d679275cc5788063a5f19741120c4f2d"
     "e2adebeb10a298dd"},
};

}  // namespace

TEST("HMAC vectors of RFC 2202 and RFC 4231, cut to the ICV, on each engine") {
  eachEngine([](crypto::Engine& engine) {
    for (const Vector& vector : vectors) {
      const Transform transform{Cipher::null, 0, vector.integrity};
      Octets key = fromHex(vector.key);
      key.resize(transform.integrityKeyLength());
      const Octets data = fromHex(vector.data);
      Octets wanted = fromHex(vector.digest);
      CHECK(wanted.size() >= transform.icvLength());
      wanted.resize(transform.icvLength());

      const Octets sealed = sealWith(engine, transform, {}, key, data);
      const std::string name = std::string(engine.name()) + ", " + vector.name + ": ";
      CHECK_EQUAL(name + toHex(sealed), name + toHex(data + wanted));
      const Opened opened{crypto::Status::ok, data};
      CHECK(openWith(engine, transform, {}, key, data + wanted) == opened);
      wanted.back() ^= 1;
      CHECK_EQUAL(openWith(engine, transform, {}, key, data + wanted).status, crypto::Status::badIntegrity);
    }
  });
}

TEST("ESN's high half is hashed behind the packet (RFC 4303 section 2.2.1)") {
  // RFC 2202 SHA1 test 2, its text cut before "ing?", which is handed over as the high half.
  const Octets text = fromHex("7768617420646f2079612077616e7420666f72206e6f7468");
  const Octets key = fromHex("4a65666500000000000000000000000000000000");
  const Octets icv = fromHex("effcdf6ae5eb2fa2d27416d5");
  const Transform transform{Cipher::null, 0, Integrity::hmacSha1_96, true};
  eachEngine([&](crypto::Engine& engine) {
    CHECK_EQUAL(sealWith(engine, transform, {}, key, text, 0x696e673f), text + icv);
    const Opened opened{crypto::Status::ok, text};
    CHECK(openWith(engine, transform, {}, key, text + icv, 0x696e673f) == opened);
    CHECK_EQUAL(openWith(engine, transform, {}, key, text + icv, 0x696e673e).status, crypto::Status::badIntegrity);
  });
}

}  // namespace gatehouse::test
