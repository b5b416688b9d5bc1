// Lists of changes, made in the kernel in order: all of a list or none. Runs on the plane's thread alone.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "kernel/remains.h"
#include "kernel/tables.h"
#include "linux/netlink-socket.h"
#include "linux/nft-elements.h"
#include "linux/xfrm-messages.h"
#include "pipeline/commands.h"
#include "pipeline/control.h"

namespace gatehouse::kernel {

using pipeline::Failure;

/// Who watches descriptors for what comes by them.
class Watch {
 public:
  virtual ~Watch() = default;
  enum class Kind : uint8_t { tunnel, channel, unit };
  /// `id`: the tunnel's number or the session's id.
  virtual void add(int descriptor, Kind kind, uint32_t id) = 0;
  virtual void remove(int descriptor) = 0;
  /// A port on which L2TP control is expected.
  virtual void listenOn(uint16_t port) = 0;
};

struct ControlOptions {
  std::string devicePrefix = "ghp";
  uint16_t dataPort = 0;
  uint16_t ikePort = 0;
  uint16_t nattPort = 0;
  /// Our inner address, put onto each PPP interface.
  Address innerAddress;
  /// `off`, `auto` (the device of the route to the peer), or a device's name.
  std::string offload = "auto";
  /// Take over what is there instead of making it, until forgetTheRest().
  bool resume = false;
};

class Control {
 public:
  Control(ControlOptions options, Watch& watch, Keeper& keeper);
  ~Control();

  std::optional<Failure> apply(std::span<const uint8_t> list);
  /// The first authentic packet came: the pair's outbound SA is in use from now on, unless a newer one is. False if that was known.
  bool used(Pair& pair);
  /// Takes everything back, in the order in which it depends on each other.
  void clear();
  /// Removes what a former process left and nobody has claimed. From now on changes make what they name.
  void forgetTheRest();

  [[nodiscard]] const Tables& tables() const { return tables_; }
  [[nodiscard]] Tables& tables() { return tables_; }
  [[nodiscard]] uint64_t offloaded() const { return offloaded_; }
  [[nodiscard]] uint64_t notOffloaded() const { return notOffloaded_; }
  /// Why the last SA wasn't offloaded, or empty.
  [[nodiscard]] const std::string& offloadRefusal() const { return offloadRefusal_; }
  /// Called when somebody else's view of pairs and interfaces must follow.
  std::function<void()> onChange;

 private:
  struct Refused;

  void make(const pipeline::AddPeer& command);
  void make(const pipeline::RemovePeer& command);
  void make(const pipeline::AddPair& command);
  void make(const pipeline::UseOutbound& command);
  void make(const pipeline::RemovePair& command);
  void make(const pipeline::Move& command);
  void make(const pipeline::AddSession& command);
  void make(const pipeline::ConfigureSession& command);
  void make(const pipeline::RemoveSession& command);
  void make(const pipeline::SetTunnel& command);
  void make(const pipeline::RemoveTunnel& command);

  Peer& need(uint32_t peer) const;
  Pair& needPair(uint32_t peer, uint32_t spi) const;
  Session& needSession(uint32_t session) const;

  // SAs and policies (sas.cc).
  void addSas(Pair& pair);
  void adoptSas(Pair& pair);
  void removeSas(const Pair& pair);
  void addSa(os::xfrm::Sa& sa);
  void use(Pair* pair, Peer& peer);
  void setPolicy(Peer& peer);
  void moveTo(Peer& peer, const Endpoint& remote);
  void moveOutbound(Pair& pair, const Endpoint& remote);
  void noteOffload(const os::xfrm::Sa& sa);
  [[nodiscard]] int offloadDevice(const Pair& pair) const;

  // Sites and rules (sites.cc).
  Site& siteFor(uint32_t id);
  [[nodiscard]] std::vector<os::xfrm::SitePolicy> policiesOf(uint32_t id, const Site& site) const;
  void removePolicies(const std::vector<os::xfrm::SitePolicy>& policies);
  void standInstead(std::vector<os::xfrm::SitePolicy>& made, std::vector<os::xfrm::SitePolicy> wanted,
                    const std::string& what);
  void letIkePass();
  void refreshSite(uint32_t id);
  void refreshSites(const Peer& peer);
  void useSitePair(Pair& pair);

  // Tunnels and sessions (sessions.cc).
  void establish(Session& session);
  void open(Session& session, const Pair& pair);
  void establishAll(Peer& peer);
  Tunnel& tunnelFor(Session& session, const Pair& pair);
  void adoptTunnel(Tunnel& tunnel, const Peer& peer);
  void leave(Session& session);
  void releaseTunnel(Peer& peer, Tunnel& tunnel);
  void configure(Session& session, const pipeline::SessionConfiguration& configuration);
  void unconfigure(Session& session);
  void makeUnit(Session& session);
  void forgetInterfaces();
  void setRoutes(Session& session, const pipeline::SessionConfiguration& configuration, bool add);
  [[nodiscard]] uint32_t mtuOf(const Session& session, const pipeline::SessionConfiguration& configuration) const;
  void refreshMtus(Peer& peer);
  void checkAddresses(const Session& session, const pipeline::SessionConfiguration& configuration) const;
  uint16_t freeNumber();

  void must(const os::Answer& answer, const std::string& code, const std::string& what) const;
  void elements(std::vector<os::Message> messages, const std::string& what);
  void undo(std::function<void()> step) { undo_.push_back(std::move(step)); }
  void bury();
  void destroy(Peer& peer);

  ControlOptions options_;
  Watch& watch_;
  Keeper& keeper_;
  Remains remains_;
  /// What is named is looked for among the remains.
  bool adopting_;
  os::Netlink xfrm_;
  os::Netlink route_;
  os::Netlink nft_;
  Tables tables_;
  uint64_t nextOrdinal_ = 1;
  uint64_t nextRank_ = 1;
  uint32_t lastSite_ = 0;
  std::vector<os::xfrm::SitePolicy> ikePasses_;
  uint16_t lastNumber_ = 0;
  std::vector<std::function<void()>> undo_;
  /// What is taken away once the list has succeeded.
  std::vector<std::function<void()>> graves_;
  uint64_t offloaded_ = 0;
  uint64_t notOffloaded_ = 0;
  std::string offloadRefusal_;
};

struct Control::Refused {
  std::string code;
  std::string message;
};

}  // namespace gatehouse::kernel
