// SPDX-License-Identifier: Apache-2.0
// Why the program cannot start, and with which code it ends.
#pragma once

#include <stdexcept>
#include <string>

namespace ember {

// From sysexits.h where it has a name for the case.
enum class ExitCode {
  kOk = 0,
  kUsage = 64,         // command line
  kBadModel = 65,      // the model directory
  kNoDevice = 69,      // device or memory missing
  kEngineFailed = 70,  // the engine died while serving
  kPortInUse = 75,
  kNoPermission = 77,  // a port below 1024, an unreadable file
  kConfig = 78,        // settings file, contradictory settings
};

// Thrown during start-up only; main prints the message as one line and exits with the code. What
// fails later on a device is a DeviceError (device_error.h).
class StartError : public std::runtime_error {
 public:
  StartError(ExitCode code, const std::string& message)
      : std::runtime_error(message), code_(code) {}
  ExitCode code() const { return code_; }

 private:
  ExitCode code_;
};

}  // namespace ember
