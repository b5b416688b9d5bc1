// ESP packets that others sent: pings through a FreeS/WAN tunnel, 3DES with HMAC-MD5-96, SPI 0x12345678, protocol 50 (02-sunrise-sunset-esp.pcap) and in
// UDP (espudp1.pcap). Source: the captures of tcpdump's tests (BSD); the cipher key stands in its test list, the integrity key in FreeS/WAN's scripts that
// made them. Here are the octets from the SPI to the ICV.
#include "test/esp-support.h"

namespace gatehouse::test {

namespace {

constexpr const char* plain[] = {
    "12345678000000014c20452f3cb09211d3a748cde5c811e39c4ee83cfe96a1e42acfd2b87aab05d1642ba3af9c1bc342102c40ad15df4de0"
    "200a63638734711187d412093b83bfaa43191cbd84a45b0276338399b1f5ca17cc9254457e5906551a7041e3dc9176e86fd3ffdd00b0bc11f8"
    "103097",
    "12345678000000021a7041e3dc9176e87312af1b62823b9f1c2fa7a9c75a90d4002cedbea874a1ac9387e31fe20a261aec587f2ebed6af34"
    "87e32ef5b803320a2ab07fef4eead0cfec4243457f8190263fee2e9e9f553a2845e90ae13529ea945df8cd51ba5e0c01562c3405f645d5e631"
    "fd2baf",
    "12345678000000035df8cd51ba5e0c0160dc56197f1a83134a8c527f26bc6a2f7662cc30546523d25be29f74d97dcecb911276ae91141c63"
    "bb8edbf8eaa45376516d726eab7d92b6651f5c0746fd3bf7dc5d865b2a78ae25d50db4b4deeb0285ab6606983f572fbdb166fa02c7e58116b4"
    "197467",
    "1234567800000004ab6606983f572fbd1476d92b16b3fe2f7dbff626d9a4ab46107d3f3c68a577afcd84552a97d414f68e7628aad659ea23"
    "863c733e9ec1194f806c3c66dc899304fbd63de980cb7216113c8f2f5d9c8202ee39a25e1d6e12196eeafbc6f1a5c54abb37707bb032c22974"
    "16d875",
    "12345678000000056eeafbc6f1a5c54aa4523196ecbeb08dccc744bd0f782ea22fab19640f0b22cb9efcf93552d7aac655773242c66ac5aa"
    "e8580262d6e10057d477d600a1058d2dbfe25c6c0373ddb468c6f12397c0c0bfbdfb4579f7ed09c6b4cfb47d779633a71a1574e1df64da6f93"
    "da7602",
    "1234567800000006b4cfb47d779633a75ebbfe7ac66dbba11f96f013e92a9b61be8ea5f2542d3ba0780fb4259d30de17d5c0f4a4a67e0cd4"
    "e121c7d2b419aa0ba73cea25e2394e3ce3abf8736009ae3bf1f42c2e2033c61f28d2bf07abd6b3f6e5af03df09bb190965ba12c3cac0faee13"
    "5c0c95",
    "1234567800000007e5af03df09bb19097a2e7a7803e485db9b85238e3933579babeb7da56b9f88ae00f95f13cecd4513449c395b21eb822d"
    "c10fe701f3b447915acd51606c7d64913d4093edf5a4ba0e15bd34cced29e9a93c0e0aacd28d6abcd3a77702bc8788c08add6b869acea6efee"
    "a790ac",
    "1234567800000008d3a77702bc8788c073544db8fb02d8e4022b7a878f6605f1fa118c42568e6dda48d9098a7ebc8e9404f2403e9da4348e"
    "ab27f5523684b8acb30836cc89b49ac3e2c9827abe507a37fceed8454e61447efcaa81a7aff55a1e7cd12fc6826a73a9afdff2eb1677759d00"
    "bb9c7d",
};

constexpr const char* encapsulated[] = {
    "1234567800000001a71a51de1cb929238c4cab9ef2550db76402c501a26729fc8e8f7a7e63aa4b54aa59f642177a2924cc238d43b4c28d51"
    "91232bd1608e4f49c04726b61255c79a5efdc271510fc047bdd45b642c3b0f12b56e4d5149c662bc468f221a52cca322ad5a3fe76ae333dac7"
    "83be7e",
    "123456780000000229312824afab9d654165fd7eeef7893ca911086deed6e81d8a7abad846e5452704a84ce7be19aa05c549bc576ee5aa39"
    "f2211304ac4eb8d3753dafe6f9bb0da107bb11987543cc70080995aa4627e53417f3392455de7c9e01481d75b256f02784f48074c136de6f50"
    "eecf0a",
    "12345678000000038fd07cc9bac4a0fe785ded16eb459e3d2a7b2f15062bd5e1036b2227b161fcfb6bc6de0d6b208d26484eee7789f15f6b"
    "983e95693b0baa3b63e24a2b8a514fc45911db60dd7fc4ea97a7d8246ed3ec8526094290dc2889382ece7d0d485c107a4bf599690936658a04"
    "63215d",
    "12345678000000049b661df0a9f2220ffb1b49921931e1e9927129f83b22d0696a994280d7d4dd5d25e8d560226f16453176459b0317be23"
    "aa6ab9fa7522db70aff0f2b8f0185681173b52a2152d642d63d67278477cd357b8e178625fcd07477468870e3b22bc34dae08aba58c994f5e0"
    "564fd1",
    "12345678000000057608f285466f4246e1460d15ef7c84c557f923cb7b7a4823ca6acb115a45e5869856b0091ace8ec609c6b8960dca7812"
    "6e7bb9abc4af8d9eb67cca745e8ab55eb1a4b4f47f6ab2cd62be3951f49229874e460bdc303c866fec92c007b08726655ca7817932a4494beb"
    "50a8d1",
    "1234567800000006bf498b11dcedef939dd5895e6761966726adf0e446b21f440d9c7e68b957c650e5f89472f4d35fbfdcf70455fdae2717"
    "f2db32556f9ca343a438252156d46c8a25e6bb85e4c0d8c41a1a3d2c76b6b0443627beebce3877ef984c7b7e090df24fa6ac9cfe08d946e9c0"
    "233fb3",
    "12345678000000070514994d39348d1cb3d2e28e3d4ea39458589e7dac69b8003851d8b6584e8d73d6f64ef3bd18c8ee43ee5bd17b7eea73"
    "c9e47746594c25df296463b098d1f12ace3ac755d145040eefc30da2b5119d33f29d993910cf4e22d558d51f10e34f14cbb71dca38f8b5bfc5"
    "876b49",
    "12345678000000082bf4ec586925016571c70842822871566e6074530bf608d9acbbc983d30f9e3a5414cb6ba52612210b5929c80f76c3a4"
    "88228a96d09a292aeaac0fa8750e6d304fbb01db05232bccbff71402dbaba8a6be677620462c0466cac035a276c4f75289b447526d9389fb3d"
    "49bbc1",
};

const Octets cipherKey = fromHex("4043434545464649494a4a4c4c4f4f515152525454575758");
const Octets integrityKey = fromHex("87658765876587658765876587658765");
constexpr crypto::Transform transform{crypto::Cipher::tripleDesCbc, 0, crypto::Integrity::hmacMd5_96};
constexpr std::uint32_t spi = 0x12345678;
constexpr std::uint8_t ipInIp = 4;

template <std::size_t count>
void openAndSealAgain(crypto::Engine& engine, const char* const (&packets)[count]) {
  Receiver receiver(engine, transform, cipherKey, integrityKey, spi);
  std::vector<Octets> payloads;
  std::vector<Octets> ivs;
  for (std::size_t i = 0; i < count; ++i) {
    const Octets packet = fromHex(packets[i]);
    const Received received = receiver.open(packet);
    CHECK_EQUAL(received.result, esp::OpenResult::ok);
    CHECK_EQUAL(received.nextHeader, ipInIp);
    // An IPv4 header, protocol 1, from 192.0.2.1 to 192.0.1.1; the ping's data end in 01234567.
    CHECK_EQUAL(toHex(received.payload).substr(0, 40), "45000054000040003f01b8a6c0000201c0000101");
    CHECK_EQUAL(toHex(received.payload).substr(152), "3031323334353637");
    payloads.push_back(received.payload);
    ivs.push_back(Octets(packet.begin() + 8, packet.begin() + 16));
    CHECK_EQUAL(receiver.open(packet).result, esp::OpenResult::replayed);
  }
  CHECK_EQUAL(receiver.sa().counters(), (esp::Counters{.packets = count, .octets = count * 84, .replayed = count}));

  Sender sender(engine, transform, cipherKey, integrityKey, spi, 0, ivs);
  for (std::size_t i = 0; i < count; ++i) {
    CHECK_EQUAL(toHex(sender.seal(payloads[i], ipInIp).packet), std::string(packets[i]));
  }
}

}  // namespace

TEST("captured 3DES-MD5 packets open, and seal to the same octets, on each engine") {
  eachEngine([](crypto::Engine& engine) {
    openAndSealAgain(engine, plain);
    openAndSealAgain(engine, encapsulated);
  });
}

}  // namespace gatehouse::test
