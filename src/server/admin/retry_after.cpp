// SPDX-License-Identifier: Apache-2.0
#include "admin/retry_after.h"

#include <algorithm>
#include <cmath>

#include "ember/base/splitmix64.h"
#include "ember/engine/admission.h"
#include "ember/server/model_registry.h"

namespace ember {

int retry_after(int64_t queued_tokens, double tokens_per_second, uint64_t dice) {
  const double wait =
      tokens_per_second > 0 ? static_cast<double>(queued_tokens) / tokens_per_second : 1;
  const double jitter = 0.8 + 0.4 * static_cast<double>(dice % 1024) / 1023;
  return static_cast<int>(
      std::clamp(std::round(std::ceil(std::min(wait, 30.0)) * jitter), 1.0, 30.0));
}

int retry_after_now(const GenerationServices& services) {
  double tokens_per_second = 0;
  for (const ModelRef& model : services.models.all())
    tokens_per_second += load_of(*model).tokens_per_second;
  const uint64_t dice =
      services.next_request.load(std::memory_order_relaxed) * kSplitMix64Step >> 40;
  return retry_after(services.admission.tokens(), tokens_per_second, dice);
}

}  // namespace ember
