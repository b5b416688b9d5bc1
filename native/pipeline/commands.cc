#include "pipeline/commands.h"

#include "pipeline/octets.h"

namespace gatehouse::pipeline {

std::span<const uint8_t> Cursor::take(size_t length) {
  if (failed_ || length > octets_.size() - at_) {
    failed_ = true;
    return {};
  }
  const auto part = octets_.subspan(at_, length);
  at_ += length;
  return part;
}

uint8_t Cursor::u8() {
  const auto part = take(1);
  return part.empty() ? uint8_t{0} : part[0];
}

uint16_t Cursor::u16() {
  const auto part = take(2);
  return part.empty() ? uint16_t{0} : load16(part.data());
}

uint32_t Cursor::u32() {
  const auto part = take(4);
  return part.empty() ? 0U : load32(part.data());
}

std::string Cursor::text() {
  const auto part = take(u8());
  return {part.begin(), part.end()};
}

Address Cursor::address() {
  const uint8_t length = u8();
  if (length != 0 && length != 4 && length != 16) failed_ = true;
  const auto part = take(length);
  return part.empty() ? Address{} : Address::from(part.data(), static_cast<uint8_t>(part.size()));
}

Path Cursor::path() {
  Path path;
  path.local.address = address();
  path.local.port = u16();
  path.remote.address = address();
  path.remote.port = u16();
  if (!path.remote.address.known() || path.local.address.length != path.remote.address.length) failed_ = true;
  return path;
}

namespace {

SaParameters readSa(Cursor& in) {
  SaParameters sa;
  sa.spi = in.u32();
  sa.cipher = in.text();
  sa.hash = in.text();
  sa.esn = in.flag();
  sa.cipherKey = in.take(in.u8());
  sa.integrityKey = in.take(in.u8());
  return sa;
}

Network readNetwork(Cursor& in) {
  Network network;
  const Address base = in.address();
  network.prefix = in.u8();
  if (!base.known() || network.prefix > base.length * 8) {
    in.fail();
    return {};
  }
  network.address = masked(base, network.prefix);
  return network;
}

Selector readSelector(Cursor& in) {
  Selector selector;
  selector.local = readNetwork(in);
  selector.remote = readNetwork(in);
  selector.protocol = in.u8();
  selector.localPort = in.u16();
  selector.remotePort = in.u16();
  if (selector.local.address.length != selector.remote.address.length) in.fail();
  return selector;
}

AddPair readAddPair(Cursor& in) {
  AddPair pair{};
  pair.peer = in.u32();
  pair.path = in.path();
  pair.encapsulated = in.flag();
  pair.use = in.flag();
  pair.replayWindow = in.u16();
  if (in.flag()) {
    const Address ours = in.address();
    const Address peers = in.address();
    if (!ours.known() || ours.length != peers.length) in.fail();
    pair.natOa = {ours, peers};
  }
  // 0: L2TP's, 1: a tunnel's, 2: a tunnel's in transport mode.
  const uint8_t carries = in.u8();
  if (carries > 2) in.fail();
  if (carries != 0) {
    const uint32_t tunnel = in.u32();
    pair.tunnel = {tunnel, readSelector(in)};
    pair.transport = carries == 2;
  }
  pair.inbound = readSa(in);
  pair.outbound = readSa(in);
  return pair;
}

SessionIds readIds(Cursor& in) {
  SessionIds ids;
  ids.tunnel = in.u16();
  ids.session = in.u16();
  ids.port = in.u16();
  return ids;
}

ConfigureSession readConfigure(Cursor& in) {
  ConfigureSession command{};
  command.session = in.u32();
  SessionConfiguration& to = command.configuration;
  to.acfc = in.flag();
  to.pfc = in.flag();
  to.anySource = in.flag();
  to.mtu = in.u16();
  const Address address = in.address();
  if (address.known()) to.address = address;
  const uint16_t networks = in.u16();
  for (uint16_t i = 0; i < networks && !in.failed(); i++) {
    const Network network = readNetwork(in);
    if (!in.failed()) to.networks.push_back(network);
  }
  if (in.flag()) {
    const auto id = in.take(8);
    Address local;
    local.length = 16;
    local.octets[0] = 0xFE;
    local.octets[1] = 0x80;
    if (id.size() == 8) std::memcpy(local.octets.data() + 8, id.data(), 8);
    to.linkLocal = local;
  }
  return command;
}

std::optional<Command> readCommand(Cursor& in) {
  switch (in.u8()) {
    case 1: return AddPeer{in.u32()};
    case 2: return RemovePeer{in.u32()};
    case 3: return readAddPair(in);
    case 4: {
      const uint32_t peer = in.u32();
      return UseOutbound{peer, in.u32()};
    }
    case 5: {
      const uint32_t peer = in.u32();
      return RemovePair{peer, in.u32()};
    }
    case 6: {
      const uint32_t peer = in.u32();
      return Move{peer, in.path()};
    }
    case 7: {
      AddSession command{};
      command.session = in.u32();
      command.peer = in.u32();
      command.local = readIds(in);
      command.remote = readIds(in);
      command.sequencing = in.flag();
      return command;
    }
    case 8: return readConfigure(in);
    case 9: return RemoveSession{in.u32()};
    case 10: {
      SetTunnel command{};
      command.tunnel = in.u32();
      const uint8_t flags = in.u8();
      command.hold = (flags & 1) != 0;
      command.transport = (flags & 2) != 0;
      const uint16_t count = in.u16();
      for (uint16_t i = 0; i < count && !in.failed(); i++) command.selectors.push_back(readSelector(in));
      return command;
    }
    case 11: return RemoveTunnel{in.u32()};
    default: return std::nullopt;
  }
}

}  // namespace

std::optional<std::vector<Command>> decodeCommands(std::span<const uint8_t> octets) {
  Cursor in(octets);
  std::vector<Command> commands;
  while (!in.failed() && in.remaining() != 0) {
    auto command = readCommand(in);
    if (!command || in.failed()) return std::nullopt;
    commands.push_back(std::move(*command));
  }
  if (!in.done()) return std::nullopt;
  return commands;
}

}  // namespace gatehouse::pipeline
