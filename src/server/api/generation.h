// SPDX-License-Identifier: Apache-2.0
// A request made ready for one model: checked against it, rendered, its grammar compiled.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "api/answer_form.h"
#include "api/chat_request.h"
#include "api/completion_request.h"
#include "api/params.h"
#include "ember/base/result.h"
#include "ember/server/served_model.h"

namespace ember {

struct Generation {
  GenerationParams params;
  std::vector<std::vector<int32_t>> prompts;  // params.n choices belong to each
  std::vector<int32_t> max_tokens;            // of output, one per prompt
  std::vector<std::string> echo;              // text to begin with, one per prompt; empty: none
  AnswerForm form;

  size_t num_choices() const { return prompts.size() * static_cast<size_t>(params.n); }
};

// Errors name the request's fields. Compiling a grammar makes the caller wait, for seconds at most.
Result<Generation> prepare_chat(const ServedModel& model, ChatRequest request);
Result<Generation> prepare_completion(const ServedModel& model, CompletionRequest request);

// The prompt that a chat request would generate from.
Result<ChatPrompt> render_chat(const ServedModel& model, const ChatRequest& request);

}  // namespace ember
