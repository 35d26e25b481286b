// SPDX-License-Identifier: Apache-2.0
// Ends of a sequence that are no answer.
#pragma once

#include "ember/base/result.h"
#include "ember/scheduler/request.h"

namespace ember {

// What the client is told of a sequence that ended for any reason but kStop and kLength.
Error error_of(FinishReason reason);

}  // namespace ember
