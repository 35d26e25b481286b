// SPDX-License-Identifier: Apache-2.0
// Drafts without a model: what followed when a sequence said the same before.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace ember {

// Fills `draft` with num_tokens tokens that may follow `tokens`: what follows the latest earlier
// place where the longest run of its last tokens stands (four tokens, else three, else two), and
// that again from its beginning where it is short. Empty where no two last tokens stand. Looks
// through the last 8,192 tokens once.
void ngram_draft(std::span<const int32_t> tokens, int num_tokens, std::vector<int32_t>& draft);

}  // namespace ember
