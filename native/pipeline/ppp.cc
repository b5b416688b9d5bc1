#include "pipeline/ppp.h"

#include "pipeline/octets.h"

namespace gatehouse::pipeline {

bool parsePpp(const uint8_t* data, size_t available, PppFrame& frame) {
  size_t at = 0;
  if (available >= 2 && data[0] == 0xFF && data[1] == 0x03) at = 2;
  if (available <= at) return false;
  // The first octet of a protocol number is even, its last one odd (RFC 1661 §2).
  if ((data[at] & 1) != 0) {
    frame.protocol = data[at];
    at += 1;
  } else {
    if (available < at + 2) return false;
    frame.protocol = load16(data + at);
    at += 2;
  }
  frame.headerLength = static_cast<uint8_t>(at);
  return true;
}

size_t writePppHeader(uint8_t* to, uint16_t protocol, bool acfc, bool pfc) {
  const bool plain = protocol == pppLcp;
  size_t at = 0;
  if (!acfc || plain) {
    to[at++] = 0xFF;
    to[at++] = 0x03;
  }
  if (pfc && !plain && protocol < 0x100) {
    to[at++] = static_cast<uint8_t>(protocol);
  } else {
    store16(to + at, protocol);
    at += 2;
  }
  return at;
}

}  // namespace gatehouse::pipeline
