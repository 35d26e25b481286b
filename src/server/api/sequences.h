// SPDX-License-Identifier: Apache-2.0
// The sequences of a request made ready: what the engine is asked for, and what becomes of its
// outputs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "api/choice.h"
#include "api/generation.h"
#include "ember/scheduler/request.h"

namespace ember {

struct RequestTimes {
  TimePoint arrival{};
  Duration queue_timeout{};  // from the arrival to the first step
  Duration max_time{};       // from the arrival to the end; a request may ask for less
};

// One for each choice, with ids from `first` on. tenant: whose cached prefixes they share. The
// error names a bad word that has no tokens.
Result<std::vector<RequestRef>> make_requests(const ServedModel& model,
                                              const Generation& generation, RequestId first,
                                              const std::string& tenant, const RequestTimes& times);

// In the same order.
std::vector<Choice> make_choices(const ServedModel& model, const Generation& generation,
                                 RequestId first, TimePoint arrival);

}  // namespace ember
