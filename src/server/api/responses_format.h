// SPDX-License-Identifier: Apache-2.0
// Answers as OpenAI's Responses API writes them.
#pragma once

#include <memory>

#include "api/answer_format.h"

namespace ember {

struct AnswerSpec;

std::unique_ptr<AnswerFormat> make_responses_format(const Json& body, const AnswerSpec& spec);

}  // namespace ember
