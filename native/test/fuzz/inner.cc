// Whatever a peer may put into its SA: L2TP, PPP, IP, the MSS, and what coalescing makes of it. An input is payloads, each behind two octets of length.
// Checked: nothing is read beyond the payload, and the octets that reach the TUN are those that came, cut again as the kernel would.
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "pipeline/coalesce.h"
#include "pipeline/l2tp.h"
#include "pipeline/mss.h"
#include "pipeline/octets.h"
#include "pipeline/ppp.h"
#include "pipeline/segment.h"
#include "pipeline/too-big.h"

namespace {

using namespace gatehouse::pipeline;

void require(bool condition) {
  if (!condition) std::abort();
}

/// Cuts every packet that is written and counts.
class Counting : public PacketSink {
 public:
  void write(const iovec* pieces, size_t count) override {
    VirtioHeader header;
    require(pieces[0].iov_len == sizeof header);
    std::memcpy(&header, pieces[0].iov_base, sizeof header);
    std::vector<uint8_t> whole;
    for (size_t i = 1; i < count; i++) {
      const auto* from = static_cast<const uint8_t*>(pieces[i].iov_base);
      whole.insert(whole.end(), from, from + pieces[i].iov_len);
    }
    require(whole.size() <= 65535);
    Segments segments;
    require(segments.parse(header, whole.data(), whole.size()));
    for (uint32_t i = 0; i < segments.count(); i++) {
      std::vector<uint8_t> one(segments.length(i));
      require(segments.write(one.data(), i) == one.size());
      octets += one.size();
    }
    packets += segments.count();
  }
  size_t packets = 0;
  size_t octets = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Counting sink;
  Coalescer coalescer(sink, true, true);
  std::vector<std::unique_ptr<uint8_t[]>> kept;
  size_t packets = 0;
  size_t octets = 0;
  while (size >= 2) {
    const size_t length = std::min<size_t>(load16(data), size - 2);
    // A copy of its own, so that a read beyond it is seen.
    kept.push_back(std::make_unique<uint8_t[]>(length));
    uint8_t* payload = kept.back().get();
    if (length != 0) std::memcpy(payload, data + 2, length);
    data += 2 + length;
    size -= 2 + length;
    L2tpHeader l2tp;
    if (!parseL2tp(payload, length, l2tp)) continue;
    require(l2tp.headerLength <= l2tp.length && l2tp.length <= length);
    PppFrame ppp;
    if (!parsePpp(payload + l2tp.headerLength, static_cast<size_t>(l2tp.length - l2tp.headerLength), ppp)) continue;
    uint8_t* inner = payload + l2tp.headerLength + ppp.headerLength;
    IpPacket ip;
    if (!parseIp(inner, static_cast<size_t>(l2tp.length - l2tp.headerLength - ppp.headerLength), ip)) continue;
    require(ip.headerLength <= ip.length);
    (void)clampMss(ip, 1300, false);
    (void)clampMss(ip, 100, true);
    uint8_t answer[tooBigRoom];
    const size_t answered = writeTooBig(answer, ip, 1300);
    IpPacket parsed;
    require(answered <= tooBigRoom && (answered == 0 || parseIp(answer, answered, parsed)));
    coalescer.add(ip);
    packets += 1;
    octets += ip.length;
  }
  coalescer.flush();
  require(sink.packets == packets && sink.octets == octets);
  return 0;
}
