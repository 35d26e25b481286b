// SPDX-License-Identifier: Apache-2.0
// Answers as Anthropic's Messages API writes them.
#pragma once

#include <memory>

#include "api/answer_format.h"

namespace ember {

struct AnswerSpec;

std::unique_ptr<AnswerFormat> make_anthropic_format(const Json& body, const AnswerSpec& spec);

}  // namespace ember
