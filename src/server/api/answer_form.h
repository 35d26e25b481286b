// SPDX-License-Identifier: Apache-2.0
// What an answer is bound to, and how its text is taken apart.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "api/chat_request.h"
#include "api/chat_text.h"
#include "api/output_format.h"
#include "ember/base/result.h"
#include "ember/server/served_model.h"
#include "ember/text/grammar.h"

namespace ember {

struct AnswerForm {
  std::shared_ptr<const Grammar> grammar = {};  // that the answer is bound to; null: none
  ChatText::Options text = {};
};

// Whether the model can call the request's tools, and may.
Result<void> check_tools(const ServedModel& model, const ChatRequest& request);

// After check_tools. Compiling a grammar makes the caller wait, for seconds at most. prompt: the
// rendered text, which may open the reasoning.
Result<AnswerForm> form_of_chat(const ServedModel& model, const ChatRequest& request,
                                std::string_view prompt);

// Null: the answer is free. text: how it is taken apart, where reasoning may come before it.
Result<std::shared_ptr<const Grammar>> compile_format(const ServedModel& model,
                                                      const std::optional<OutputFormat>& format,
                                                      const ChatText::Options& text = {});

}  // namespace ember
