// The TUN device: one descriptor a worker, each packet behind a virtio header, with the offloads that this kernel has.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <string>
#include <vector>

#include "linux/file.h"
#include "pipeline/address.h"

namespace gatehouse::os {

struct TunOptions {
  std::string name;
  uint32_t queues = 1;
  uint32_t mtu = 1400;
  /// Use those that the kernel has.
  bool offloads = true;
  /// Put onto the device; length 0: none.
  pipeline::Address address;
  uint8_t prefix = 0;
};

class Tun {
 public:
  /// Creates the device, which lives as long as its descriptors, and brings it up. Throws OpenError.
  explicit Tun(const TunOptions& options);
  /// A device that is there already, by one queue's descriptor.
  Tun(File queue, const std::string& name) : name_(name) { queues_.push_back(std::move(queue)); }

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] uint32_t queues() const { return static_cast<uint32_t>(queues_.size()); }
  [[nodiscard]] int descriptor(uint32_t queue) const { return queues_[queue].get(); }
  [[nodiscard]] const File& file(uint32_t queue) const { return queues_[queue]; }
  /// The kernel gives and takes packets with unfinished checksums; TCP super-packets; UDP ones (Linux 6.2).
  [[nodiscard]] bool checksums() const { return checksums_; }
  [[nodiscard]] bool tcpSegmentation() const { return tcp_; }
  [[nodiscard]] bool udpSegmentation() const { return udp_; }

 private:
  void openQueue(const TunOptions& options, bool several);
  void setOffloads(int descriptor);
  void bringUp(const TunOptions& options);

  std::string name_;
  std::vector<File> queues_;
  bool checksums_ = false;
  bool tcp_ = false;
  bool udp_ = false;
};

}  // namespace gatehouse::os
