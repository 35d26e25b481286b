// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "api/context_limits.h"
#include "api/generation.h"

namespace ember {

namespace {

Result<std::vector<int32_t>> encode_prompt(const ServedModel& model,
                                           const CompletionRequest& request,
                                           const CompletionRequest::Prompt& prompt) {
  if (const auto* ids = std::get_if<std::vector<int32_t>>(&prompt)) return *ids;
  const std::string& text = std::get<std::string>(prompt);
  if (const Result<void> fits = check_length(model, text.size(), "prompt"); !fits.ok())
    return fits.error();
  return model.tokenizer->encode(text, {.add_special_tokens = request.add_special_tokens});
}

Result<std::string> echo_text(const ServedModel& model, const CompletionRequest::Prompt& prompt) {
  if (const auto* text = std::get_if<std::string>(&prompt)) return *text;
  std::vector<int32_t> ids = std::get<std::vector<int32_t>>(prompt);
  std::erase_if(ids, [&](int32_t id) { return id >= model.tokenizer->vocab_size(); });  // no text
  return model.tokenizer->decode(ids, false);
}

}  // namespace

Result<Generation> prepare_completion(const ServedModel& model, CompletionRequest request) {
  constexpr int32_t kDefaultTokens = 16;  // OpenAI's
  Generation generation;
  Result<std::shared_ptr<const Grammar>> grammar = compile_format(model, request.params.format);
  if (!grammar.ok()) return grammar.error();
  generation.form.grammar = std::move(grammar).value();
  for (const CompletionRequest::Prompt& prompt : request.prompts) {
    Result<std::vector<int32_t>> ids = encode_prompt(model, request, prompt);
    if (!ids.ok()) return ids.error();
    const Result<int32_t> max_tokens =
        output_tokens(model, request.params, ids.value().size(), kDefaultTokens, "prompt");
    if (!max_tokens.ok()) return max_tokens.error();
    generation.max_tokens.push_back(max_tokens.value());
    generation.prompts.push_back(std::move(ids).value());
    if (!request.echo) continue;
    Result<std::string> text = echo_text(model, prompt);
    if (!text.ok()) return text.error();
    generation.echo.push_back(std::move(text).value());
  }
  generation.params = std::move(request.params);
  return generation;
}

}  // namespace ember
