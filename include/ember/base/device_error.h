// SPDX-License-Identifier: Apache-2.0
// A device that failed while it was used.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace ember {

// Thrown by every call of a Backend that notices the failure; the device cannot be used any more.
// The engine ends what it runs. During start-up the program ends with ExitCode::kNoDevice.
class DeviceError : public std::runtime_error {
 public:
  // `call` is the function of the device's library or the kernel that failed, `code` what it
  // returned.
  DeviceError(std::string call, int code, const std::string& message)
      : std::runtime_error(message), call_(std::move(call)), code_(code) {}
  const std::string& call() const { return call_; }
  int code() const { return code_; }

 private:
  std::string call_;
  int code_;
};

}  // namespace ember
