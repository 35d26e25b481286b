// SPDX-License-Identifier: Apache-2.0
// What the process says of itself.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "ember/base/clock.h"

namespace ember {

enum class ServerState : uint8_t { kLoading, kReady, kDraining, kFailed };

// Any thread; only `state` changes once there are others.
struct ServerStatus {
  std::string version;
  TimePoint begun = Clock::now();  // of this process
  int64_t started = 0;             // seconds since 1970
  std::atomic<ServerState> state{ServerState::kLoading};
};

}  // namespace ember
