// SPDX-License-Identifier: Apache-2.0
// Work whose end nobody can promise, on a thread of its own.
#pragma once

#include <functional>

#include "ember/base/clock.h"

namespace ember {

enum class BoundedResult : uint8_t {
  kDone,
  kTooLong,     // it goes on in the background until it ends by itself
  kNotStarted,  // there is no thread to be had
};

// Runs `work` on a new thread with a stack of 64 MiB, and waits until it is done, has used
// `cpu_time` of a processor, or `until` is past. `work` must not throw, and owns what it uses: it
// may outlive the caller.
BoundedResult run_bounded(std::function<void()> work, Duration cpu_time, TimePoint until);

}  // namespace ember
