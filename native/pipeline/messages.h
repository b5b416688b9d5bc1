// A batch of messages from the control plane, as src/platform/native-codec.ts writes it: each a kind, whom it is for, four octets of length and its octets.
#pragma once

#include <cstdint>
#include <span>

#include "pipeline/commands.h"

namespace gatehouse::pipeline {

/// Gives each message to `plane`, which may gather them, and flushes it. False where the batch is broken: what stood before was sent.
template <class Plane>
bool sendMessages(std::span<const uint8_t> batch, Plane& plane) {
  Cursor in(batch);
  const auto octets = [&] { return in.take(in.u32()); };
  while (!in.failed() && in.remaining() > 0) {
    switch (in.u8()) {
      case 1: {
        const Path path = in.path();
        const auto message = octets();
        if (!in.failed()) plane.sendIke(path, message);
        break;
      }
      case 2: {
        const Path path = in.path();
        if (!in.failed()) plane.sendKeepalive(path);
        break;
      }
      case 3: {
        const uint32_t peer = in.u32();
        const uint16_t localPort = in.u16();
        const uint16_t remotePort = in.u16();
        const auto message = octets();
        if (!in.failed()) plane.sendControl(peer, localPort, remotePort, message);
        break;
      }
      case 4: {
        const uint32_t session = in.u32();
        const uint16_t protocol = in.u16();
        const auto payload = octets();
        if (!in.failed()) plane.sendPpp(session, protocol, payload);
        break;
      }
      default: in.fail();
    }
  }
  plane.flush();
  return !in.failed();
}

}  // namespace gatehouse::pipeline
