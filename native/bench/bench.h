// CONTRACT. How fast this machine seals and opens ESP in memory: whole packets through SAs, and the engine alone as the limit of that.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace gatehouse::bench {

struct Options {
  /// Empty: all that are here.
  std::vector<std::string> engines;
  /// As proposal strings (`aes128-sha1`, `aes128gcm16`, `3des-md5`); empty: the usual ones.
  std::vector<std::string> algorithms;
  /// Octets of ESP payload; 0 is IMIX (7 of 64, 4 of 576, 1 of 1,400). Empty: 64, 512, 1400 and IMIX.
  std::vector<std::uint32_t> sizes;
  /// SAs that the packets of a batch are spread over.
  std::uint32_t securityAssociations = 64;
  /// Packets in a batch.
  std::uint32_t batch = 128;
  /// Of one measurement, path and engine together; there are `repeats` of each, after a warm-up.
  std::uint32_t milliseconds = 50;
  std::uint32_t repeats = 5;
  /// While every core is busy with other work and packets of others interrupt it (bench/load.h). Then the wall clock counts, and the mean.
  bool loaded = false;
  /// Called before each measurement: done, of how many. Return false to stop.
  std::function<bool(std::size_t done, std::size_t all)> progress;
};

struct Result {
  std::string engine;
  std::string algorithm;
  /// `seal` or `open`.
  std::string direction;
  /// `64`, `512`, `1400`, `imix`.
  std::string size;
  /// Through the SA: UDP, L2TP and PPP headers written or read, sequence number, IV, padding, replay. Median; octets of ESP payload.
  double gbps = 0;
  double packetsPerSecond = 0;
  /// Half the distance between the quartiles of the repeats, as a share of the median.
  double spread = 0;
  /// The engine's library alone (Engine::makeBareContext) on the same packets and keys, in the same run.
  double limitGbps = 0;
  /// Of path to limit: the median of the measurements' own ratios.
  double ratio = 0;
  /// As `spread`, of the ratios.
  double ratioSpread = 0;
  /// Share of a core that the measuring thread took meanwhile; what is left a device did, or other threads of the kernel. The wall clock's and the
  /// processor's time of the whole measurement.
  double processorShare = 0;
  bool loaded = false;
};

/// On the calling thread; takes seconds to minutes. Throws std::invalid_argument for names that are unknown.
std::vector<Result> run(const Options& wanted);

}  // namespace gatehouse::bench
