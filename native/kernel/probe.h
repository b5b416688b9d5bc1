// CONTRACT. What this kernel can do for the kernel data plane, found by trying: a kernel may have XFRM netlink and no ESP behind it.
#pragma once

#include <string>
#include <vector>

namespace gatehouse::kernel {

struct Probe {
  /// SAs, PPPoL2TP sockets, /dev/ppp and nftables all answered, and at least AES-CBC with SHA1 is there.
  bool usable = false;
  /// One sentence: what is missing, or what was found.
  std::string why;
  /// Proposal strings (`aes128-sha1`, `aes256gcm16`) whose SAs the kernel took.
  std::vector<std::string> ciphers;
  /// Each what is missing, in words: `ESP (aes128-sha1: Protocol not supported)`, `PPPoL2TP sockets (…)`.
  std::vector<std::string> missing;
};

/// Makes a throw-away SA of each transform, a PPPoL2TP socket, a PPP unit and an nftables table, and takes them away again. Some milliseconds.
Probe probeKernel();

}  // namespace gatehouse::kernel
