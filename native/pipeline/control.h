// The control thread's side of the tables: lists of changes that are made whole or not at all, and what was counted since the last look.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "pipeline/commands.h"
#include "pipeline/context.h"

namespace gatehouse::pipeline {

/// Why a list was refused: a stable code and a sentence.
struct Failure {
  std::string code;
  std::string message;
};

class Control {
 public:
  /// `pathMtu`: of the route to there; what is unknown or larger counts as 1,500.
  Control(Context& context, uint32_t (*routeMtu)(const Path&)) : context_(context), routeMtu_(routeMtu) {}

  /// Makes all of the changes in order, or none: everything that can fail is tried first, against what the changes before it would leave.
  std::optional<Failure> apply(std::span<const uint8_t> list);

  [[nodiscard]] Peer* peer(uint32_t id) const;
  [[nodiscard]] Session* session(uint32_t id) const;

  /// Gives each packet that waited for an SA, and has one now, to `send`.
  void release(const std::function<void(std::vector<uint8_t>& packet)>& send);

  /// Destroys everything; no worker may run any more.
  void clear();

  /// Records of counters that changed since the last call, for src/platform/native-codec.ts.
  std::vector<uint8_t> activity();

 private:
  class Plan;
  struct Keys {
    std::unique_ptr<crypto::Key> inbound;
    std::unique_ptr<crypto::Key> outbound;
    /// Of the other truncation, where there is one.
    std::unique_ptr<crypto::Key> otherInbound;
    std::unique_ptr<crypto::Key> otherOutbound;
  };

  void make(const AddPeer& command);
  void make(const RemovePeer& command);
  void make(const AddPair& command, Keys& keys);
  void make(const UseOutbound& command);
  void make(const RemovePair& command);
  void make(const Move& command);
  void make(const AddSession& command);
  void make(const ConfigureSession& command);
  void make(const RemoveSession& command);
  void make(const SetTunnel& command);
  void make(const RemoveTunnel& command);

  [[nodiscard]] std::unique_ptr<const Route> routeOf(const Pair& pair, const Path& path) const;
  static Pair* find(const Peer& peer, uint32_t inboundSpi);
  void use(Pair& pair);
  void publishTunnels();
  void publishPairs(Tunnel& tunnel, const Pair* without, Pair* with);
  void unlink(Session& session);
  void publishSessions(Peer& peer);

  Context& context_;
  uint32_t (*routeMtu_)(const Path&);
  std::unordered_map<uint32_t, std::unique_ptr<Peer>> peers_;
  std::unordered_map<uint32_t, Session*> sessions_;
  struct Site {
    std::unique_ptr<Tunnel> tunnel;
    std::vector<Selector> selectors;
  };
  std::unordered_map<uint32_t, Site> tunnels_;
  uint64_t nextOrdinal_ = 1;
};

}  // namespace gatehouse::pipeline
