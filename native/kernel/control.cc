// The walk of a list: 1 decode · 2 each change is checked against the tables and made in the kernel, and how to undo it is noted; what is taken away is
// only unlinked · 3 something failed: the notes are followed backwards · or else what was unlinked is taken out of the kernel.
#include "kernel/control.h"

#include <algorithm>

#include "esp/replay-window.h"
#include "linux/open-error.h"

namespace gatehouse::kernel {
namespace {

std::string number(uint64_t value) { return std::to_string(value); }

/// `keyless`: an SA that is there has its keys.
crypto::Transform transformOf(const pipeline::SaParameters& sa, bool keyless, std::string& code, std::string& why) {
  const auto transform = crypto::transformFromNames(sa.cipher, sa.hash, sa.esn);
  if (!transform) {
    code = "unknown-algorithm";
    why = "no ESP transform is called '" + sa.cipher + (sa.hash.empty() ? "" : "-" + sa.hash) + "'";
    return {};
  }
  if (keyless && sa.cipherKey.empty() && sa.integrityKey.empty()) return *transform;
  if (sa.cipherKey.size() != transform->cipherKeyLength() ||
      sa.integrityKey.size() != transform->integrityKeyLength()) {
    code = "bad-key-length";
    why = crypto::nameOf(*transform) + " takes keys of " + number(transform->cipherKeyLength()) + " and " +
          number(transform->integrityKeyLength()) + " octets, given were " + number(sa.cipherKey.size()) + " and " +
          number(sa.integrityKey.size());
  }
  return *transform;
}

}  // namespace

Control::Control(ControlOptions options, Watch& watch, Keeper& keeper)
    : options_(std::move(options)),
      watch_(watch),
      keeper_(keeper),
      adopting_(options_.resume),
      xfrm_(NETLINK_XFRM),
      route_(NETLINK_ROUTE),
      nft_(NETLINK_NETFILTER) {
  remains_.read(xfrm_, nft_);
  if (!adopting_) forgetTheRest();
}

Control::~Control() = default;

std::optional<Failure> Control::apply(std::span<const uint8_t> list) {
  const auto commands = pipeline::decodeCommands(list);
  if (!commands) return Failure{"bad-list", "the list of changes is broken"};
  std::optional<Failure> failure;
  try {
    for (const pipeline::Command& command : *commands) std::visit([&](const auto& one) { make(one); }, command);
  } catch (const Refused& refused) {
    failure = Failure{refused.code, refused.message};
  } catch (const os::OpenError& error) {
    failure = Failure{"kernel", error.what()};
  }
  if (failure) {
    while (!undo_.empty()) {
      const auto step = std::move(undo_.back());
      undo_.pop_back();
      try {
        step();
      } catch (const Refused&) {
        // What can't be undone was not there any more.
      } catch (const os::OpenError&) {
        // As above.
      }
    }
    graves_.clear();
  } else {
    undo_.clear();
    bury();
  }
  if (onChange) onChange();
  return failure;
}

void Control::bury() {
  for (const auto& grave : std::exchange(graves_, {})) {
    try {
      grave();
    } catch (const Refused&) {
      // It was gone already.
    }
  }
}

void Control::clear() {
  undo_.clear();
  bury();
  while (!tables_.sites.empty()) {
    make(pipeline::RemoveTunnel{tables_.sites.begin()->first});
    bury();
  }
  while (!tables_.peers.empty()) {
    make(pipeline::RemovePeer{tables_.peers.begin()->first});
    bury();
  }
  undo_.clear();
}

void Control::must(const os::Answer& answer, const std::string& code, const std::string& what) const {
  if (!answer.ok()) throw Refused{code, what + ": " + answer.why()};
}

void Control::elements(std::vector<os::Message> messages, const std::string& what) {
  must(nft_.batch(messages), "kernel", what);
}

void Control::forgetTheRest() {
  adopting_ = false;
  remains_.remove(xfrm_, nft_);
  keeper_.forget();
  forgetInterfaces();
}

Peer& Control::need(uint32_t peer) const {
  Peer* found = tables_.peer(peer);
  if (found == nullptr) throw Refused{"no-such-peer", "there is no peer " + number(peer)};
  return *found;
}

Pair& Control::needPair(uint32_t peer, uint32_t spi) const {
  const Peer& owner = need(peer);
  Pair* pair = tables_.pair(spi);
  if (pair == nullptr || &pair->peer != &owner)
    throw Refused{"no-such-pair", "peer " + number(peer) + " has no pair with inbound SPI " + number(spi)};
  return *pair;
}

Session& Control::needSession(uint32_t session) const {
  Session* found = tables_.session(session);
  if (found == nullptr) throw Refused{"no-such-session", "there is no session " + number(session)};
  return *found;
}

void Control::make(const pipeline::AddPeer& command) {
  if (tables_.peer(command.peer) != nullptr)
    throw Refused{"peer-exists", "peer " + number(command.peer) + " exists already"};
  bury();
  auto made = std::make_unique<Peer>(command.peer);
  const uint32_t mark = made->mark();
  if (const Peer* other = tables_.marked(mark); other != nullptr)
    throw Refused{"kernel",
                  "peers " + number(command.peer) + " and " + number(other->id) + " would have the same mark"};
  tables_.marks[mark] = made.get();
  tables_.peers[command.peer] = std::move(made);
  undo([this, id = command.peer, mark] {
    destroy(*tables_.peers.at(id));
    tables_.marks.erase(mark);
    tables_.peers.erase(id);
  });
}

void Control::make(const pipeline::RemovePeer& command) {
  Peer& peer = need(command.peer);
  for (const auto& pair : peer.pairs) tables_.pairs.erase(pair->inbound.spi);
  for (const auto& session : peer.sessions) tables_.sessions.erase(session->id);
  const auto gone = std::make_shared<std::unique_ptr<Peer>>(std::move(tables_.peers.at(command.peer)));
  tables_.peers.erase(command.peer);
  tables_.marks.erase((*gone)->mark());
  refreshSites(**gone);
  graves_.emplace_back([this, gone] { destroy(**gone); });
  undo([this, gone] {
    Peer& back = **gone;
    for (const auto& pair : back.pairs) tables_.pairs[pair->inbound.spi] = pair.get();
    for (const auto& session : back.sessions) tables_.sessions[session->id] = session.get();
    tables_.marks[back.mark()] = &back;
    tables_.peers[back.id] = std::move(*gone);
    refreshSites(back);
  });
}

void Control::destroy(Peer& peer) {
  for (const auto& session : peer.sessions) leave(*session);
  peer.sessions.clear();
  for (const auto& pair : peer.pairs) removeSas(*pair);
  peer.pairs.clear();
  peer.active = nullptr;
  if (peer.policy) {
    os::Message message = os::xfrm::removePolicy(peer.policy->local, peer.policy->remote, peer.mark());
    xfrm_.request(message);
    peer.policy.reset();
  }
}

void Control::make(const pipeline::AddPair& command) {
  Peer& peer = need(command.peer);
  if (command.tunnel && !adopting_ && !tables_.sites.contains(command.tunnel->first))
    throw Refused{"no-such-tunnel", "there is no tunnel " + number(command.tunnel->first)};
  if (command.inbound.spi < 256 || command.outbound.spi < 256)
    throw Refused{"bad-spi", "SPIs below 256 are reserved (RFC 4303 §2.1)"};
  if (command.replayWindow < esp::minimumReplayWindow || command.replayWindow > esp::maximumReplayWindow)
    throw Refused{"bad-window", "a replay window has 32 to 4096 packets, not " + number(command.replayWindow)};
  if (tables_.pair(command.inbound.spi) != nullptr)
    throw Refused{"spi-in-use", "inbound SPI " + number(command.inbound.spi) + " is in use"};
  bury();
  auto made = std::make_unique<Pair>(peer);
  std::string code;
  std::string why;
  for (const auto& [half, given] :
       {std::pair{&made->inbound, &command.inbound}, {&made->outbound, &command.outbound}}) {
    half->transform = transformOf(*given, adopting_, code, why);
    if (!code.empty()) throw Refused{code, why};
    half->spi = given->spi;
    half->cipherKey = Secret(given->cipherKey);
    half->integrityKey = Secret(given->integrityKey);
  }
  made->ordinal = nextOrdinal_++;
  made->path = command.path;
  made->encapsulated = command.encapsulated;
  made->replayWindow = command.replayWindow;
  made->tunnel = command.tunnel;
  made->transport = command.transport;
  if (adopting_) {
    adoptSas(*made);
  } else {
    addSas(*made);
  }
  Pair& pair = *made;
  peer.pairs.push_back(std::move(made));
  tables_.pairs[pair.inbound.spi] = &pair;
  undo([this, &peer, &pair] {
    removeSas(pair);
    tables_.pairs.erase(pair.inbound.spi);
    if (peer.active == &pair) peer.active = nullptr;
    const auto tunnel = pair.tunnel;
    std::erase_if(peer.pairs, [&](const auto& one) { return one.get() == &pair; });
    setPolicy(peer);
    if (tunnel) refreshSite(tunnel->first);
  });
  if (adopting_ && pair.tunnel) siteFor(pair.tunnel->first);
  const bool carried =
      pair.tunnel ? remains_.carries(pair.outbound.spi) : peer.policy && peer.policy->spi == pair.outbound.spi;
  if (command.use || (adopting_ && carried)) {
    use(&pair, peer);
  } else {
    setPolicy(peer);
  }
  establishAll(peer);
}

void Control::make(const pipeline::UseOutbound& command) {
  Pair& pair = needPair(command.peer, command.inboundSpi);
  use(&pair, pair.peer);
}

void Control::make(const pipeline::RemovePair& command) {
  Pair& pair = needPair(command.peer, command.inboundSpi);
  Peer& peer = pair.peer;
  const auto place =
      std::find_if(peer.pairs.begin(), peer.pairs.end(), [&](const auto& one) { return one.get() == &pair; });
  const auto gone = std::make_shared<std::unique_ptr<Pair>>(std::move(*place));
  peer.pairs.erase(place);
  tables_.pairs.erase(pair.inbound.spi);
  // Nothing leaves by an SA that is about to go.
  if (pair.tunnel) refreshSite(pair.tunnel->first);
  if (peer.active == &pair) {
    Pair* successor = nullptr;
    for (const auto& one : peer.pairs) {
      if (one->usable && !one->tunnel && (successor == nullptr || one->ordinal > successor->ordinal))
        successor = one.get();
    }
    peer.active = successor;
    setPolicy(peer);
  }
  graves_.emplace_back([this, gone] { removeSas(**gone); });
  undo([this, &peer, gone] {
    Pair& back = **gone;
    tables_.pairs[back.inbound.spi] = &back;
    const bool active = back.usable && !back.tunnel && (peer.active == nullptr || peer.active->ordinal < back.ordinal);
    if (active) peer.active = &back;
    peer.pairs.push_back(std::move(*gone));
    setPolicy(peer);
    if (back.tunnel) refreshSite(back.tunnel->first);
  });
}

void Control::make(const pipeline::Move& command) {
  Peer& peer = need(command.peer);
  if (peer.pairs.empty()) return;
  const Pair* pair = peer.best() == nullptr ? peer.pairs.back().get() : peer.best();
  const Endpoint before = pair->path.remote;
  undo([this, &peer, before] { moveTo(peer, before); });
  moveTo(peer, command.path.remote);
}

void Control::make(const pipeline::AddSession& command) {
  Peer& peer = need(command.peer);
  if (tables_.session(command.session) != nullptr)
    throw Refused{"session-exists", "session " + number(command.session) + " exists already"};
  for (const auto& other : peer.sessions) {
    if (other->local.tunnel == command.local.tunnel && other->local.session == command.local.session)
      throw Refused{"ids-in-use", "peer " + number(command.peer) + " has a session with tunnel id " +
                                      number(command.local.tunnel) + " and session id " +
                                      number(command.local.session)};
  }
  bury();
  auto made = std::make_unique<Session>(command.session, peer);
  made->local = command.local;
  made->remote = command.remote;
  made->sequencing = command.sequencing;
  Session& session = *made;
  peer.sessions.push_back(std::move(made));
  tables_.sessions[session.id] = &session;
  undo([this, &peer, &session] {
    leave(session);
    tables_.sessions.erase(session.id);
    std::erase_if(peer.sessions, [&](const auto& one) { return one.get() == &session; });
  });
  watch_.listenOn(command.local.port);
  establish(session);
}

void Control::make(const pipeline::ConfigureSession& command) {
  Session& session = needSession(command.session);
  checkAddresses(session, command.configuration);
  const auto before = session.wanted;
  undo([this, &session, before] {
    session.wanted = before;
    if (before) {
      configure(session, *before);
    } else {
      unconfigure(session);
    }
  });
  session.wanted = command.configuration;
  configure(session, command.configuration);
}

void Control::make(const pipeline::RemoveSession& command) {
  Session& session = needSession(command.session);
  Peer& peer = session.peer;
  const auto place =
      std::find_if(peer.sessions.begin(), peer.sessions.end(), [&](const auto& one) { return one.get() == &session; });
  const auto gone = std::make_shared<std::unique_ptr<Session>>(std::move(*place));
  peer.sessions.erase(place);
  tables_.sessions.erase(session.id);
  graves_.emplace_back([this, gone] { leave(**gone); });
  undo([this, &peer, gone] {
    tables_.sessions[(*gone)->id] = gone->get();
    peer.sessions.push_back(std::move(*gone));
  });
}

}  // namespace gatehouse::kernel
