// SPDX-License-Identifier: Apache-2.0
// JSON that OpenAI's chat completions and completions write alike.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "api/answer_writer.h"

namespace ember {

using Json = nlohmann::ordered_json;

// Bad UTF-8 becomes U+FFFD.
std::string dump(const Json& json);
// One server-sent event without a name, and one with the name that its member "type" has.
std::string data_event(const Json& json);
std::string typed_event(const Json& json);

// The members that come first, and the usage.
Json envelope(const AnswerName& name, const char* object);
Json usage_json(const Usage& usage);
// Adds "usage" to a chunk as `details` ask for it.
void add_usage(Json& chunk, const Usage& usage, const OpenAiDetails& details);
// The end of a stream: perhaps a chunk with the usage, then [DONE].
std::string stream_ending(Json envelope, const Usage& usage, const OpenAiDetails& details);

// {"error": {"message", "type", "param", "code"}}
std::string openai_error(const Error& error);

// "stop", "length" or "tool_calls"; null while the choice goes on.
Json finish_reason(const AnswerEvent& event);
// The stop string or the stop token's id, else null.
Json stop_reason(const AnswerEvent& event);
Json token_ids(const std::vector<TokenEntry>& tokens);
// A token written alone.
std::string token_text(const Tokenizer& tokenizer, int32_t token);
// As JSON can say it: there is no minus infinity.
float json_logprob(float logprob);
// vLLM's shape: [null, {"id": {"logprob", "rank", "decoded_token"}}, ...], of `num_top` tokens and
// the prompt's own.
Json prompt_logprobs(const Tokenizer& tokenizer, const std::vector<TokenEntry>& tokens,
                     int32_t num_top);

}  // namespace ember
