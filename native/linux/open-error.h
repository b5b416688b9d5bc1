// Why a socket or a device could not be opened, with a code that the command line turns into advice.
#pragma once

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>

namespace gatehouse::os {

/// `EADDRINUSE` and the like.
std::string errorName(int number);

class OpenError : public std::runtime_error {
 public:
  /// `subject`: the port, file or device: `udp 0.0.0.0:500`, `/dev/net/tun`.
  OpenError(int number, std::string subject, const std::string& action)
      : std::runtime_error(action + " " + subject + ": " + std::strerror(number)),
        code_(errorName(number)),
        subject_(std::move(subject)) {}

  [[nodiscard]] const std::string& code() const { return code_; }
  [[nodiscard]] const std::string& subject() const { return subject_; }

 private:
  std::string code_;
  std::string subject_;
};

}  // namespace gatehouse::os
