// The L2TP header (RFC 2661 §3.1): parsed in every combination of its flags, written with T, L and S only, since Windows drops anything with O or P.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gatehouse::pipeline {

struct L2tpHeader {
  bool control = false;
  uint16_t tunnel = 0;
  uint16_t session = 0;
  bool sequenced = false;
  uint16_t ns = 0;
  /// Octets before the payload, offset padding included.
  uint16_t headerLength = 0;
  /// Octets of the whole message: the length field where there is one, else all there is.
  uint16_t length = 0;
};

/// False where it is no L2TPv2 message. Control messages are only told apart: their own rules are checked above.
bool parseL2tp(const uint8_t* data, size_t available, L2tpHeader& header);

/// Data header: flags, tunnel and session id, and Ns, Nr if `sequenced`.
constexpr size_t l2tpDataHeaderLength(bool sequenced) { return sequenced ? 10 : 6; }

/// Writes the data header and returns its length. Nr is reserved in data messages and sent as zero (RFC 2661 §5.4).
size_t writeL2tpDataHeader(uint8_t* to, uint16_t tunnel, uint16_t session, bool sequenced, uint16_t ns);

}  // namespace gatehouse::pipeline
