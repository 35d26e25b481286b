// SPDX-License-Identifier: Apache-2.0
// When it helps to come back.
#pragma once

#include <cstdint>

#include "ember/server/generation_services.h"

namespace ember {

// Seconds until the work inside may be done: queued tokens by measured speed, 1 to 30, and up to a
// fifth more or less so that clients do not come back all at once.
int retry_after(int64_t queued_tokens, double tokens_per_second, uint64_t dice);
// The same for the server as it is.
int retry_after_now(const GenerationServices& services);

}  // namespace ember
