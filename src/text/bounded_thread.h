// SPDX-License-Identifier: Apache-2.0
// Runs work that may take too long on a thread of its own.
#pragma once

#include <functional>

#include "ember/base/clock.h"

namespace ember {

enum class BoundedResult : uint8_t {
  kDone,
  kTooLong,     // the work continues in the background until it ends by itself
  kNotStarted,  // no thread could be started
};

// Runs `work` on a new thread with a stack of 64 MiB. Waits until the work is done, has used
// `cpu_time` of a processor, or `until` has passed. `work` must not throw. It must own what it
// uses, because it may outlive the caller.
BoundedResult run_bounded(std::function<void()> work, Duration cpu_time, TimePoint until);

}  // namespace ember
