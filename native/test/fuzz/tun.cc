// Whatever the TUN may give: a virtio header and a packet. Checked: segments are as long as they say and add up to the packet, fragments fit and add up.
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "pipeline/fragment.h"
#include "pipeline/mss.h"
#include "pipeline/octets.h"
#include "pipeline/segment.h"

namespace {

using namespace gatehouse::pipeline;

void require(bool condition) {
  if (!condition) std::abort();
}

void fragments(const std::vector<uint8_t>& packet, uint32_t mtu) {
  IpPacket ip;
  if (!parseIp(packet.data(), packet.size(), ip) || ip.version != 4 || ip.dontFragment) return;
  Fragmenter fragmenter(ip, mtu);
  uint8_t one[2048];
  size_t sum = 0;
  for (size_t length = fragmenter.next(one); length != 0; length = fragmenter.next(one)) {
    require(length <= mtu);
    sum += length - ip.headerLength;
  }
  require(sum == ip.upperLength());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  VirtioHeader header;
  if (size < sizeof header) return 0;
  std::memcpy(&header, data, sizeof header);
  const size_t length = size - sizeof header;
  const auto packet = std::make_unique<uint8_t[]>(length);
  if (length != 0) std::memcpy(packet.get(), data + sizeof header, length);
  Segments segments;
  if (!segments.parse(header, packet.get(), length)) return 0;
  (void)clampMss(segments.packet(), 1300, segments.partialChecksum());
  uint64_t sum = 0;
  for (uint32_t i = 0; i < segments.count(); i++) {
    std::vector<uint8_t> one(segments.length(i));
    require(one.size() <= segments.largest());
    require(segments.write(one.data(), i) == one.size());
    sum += one.size();
    if (one.size() > 68) fragments(one, 68);
    if (one.size() > 1300) fragments(one, 1300);
  }
  require(segments.count() > 1 ? sum > segments.packet().length : sum == segments.packet().length);
  return 0;
}
