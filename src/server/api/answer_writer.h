// SPDX-License-Identifier: Apache-2.0
// How the APIs write an answer: its text, without HTTP.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "api/answer_event.h"
#include "api/openai_details.h"
#include "ember/base/result.h"
#include "ember/text/tokenizer.h"

namespace ember {

// Writes one answer, either as a stream or as a whole. Used by one thread at a time. Never throws
// on bad UTF-8.
class AnswerWriter {
 public:
  virtual ~AnswerWriter() = default;

  // A stream. Each function appends whole server-sent events to `out`, or nothing.
  // begin() comes before the first event; end() or fail() is the last call.
  virtual void begin(const Usage& /*usage*/, std::string& /*out*/) {}
  virtual void event(const AnswerEvent& event, const Usage& usage, std::string& out) = 0;
  virtual void end(const Usage& usage, std::string& out) = 0;
  virtual void fail(const Error& error, std::string& out) = 0;  // perhaps without a begin()
  virtual void keep_alive(std::string& out) { out += ": keep-alive\n\n"; }

  // The body of a whole answer. choices: all events of each, appended.
  virtual std::string whole(const std::vector<AnswerEvent>& choices, const Usage& usage) = 0;
  virtual std::string error(const Error& error) = 0;
};

// What every answer says of itself.
struct AnswerName {
  std::string id, model;
  int64_t created = 0;  // seconds since 1970
};

// Where a completion's text and log probabilities begin with the prompt's.
struct CompletionEcho {
  std::vector<std::string> texts = {};  // one per prompt; empty: no echo
  bool skip_special_tokens = true;      // in the answer's text
};

// The tokenizer must outlive the writer. prompts: the ids; choices / prompts.size() of the choices
// belong to each.
std::unique_ptr<AnswerWriter> make_chat_writer(AnswerName name, const Tokenizer& tokenizer,
                                               const OpenAiDetails& details,
                                               std::vector<int32_t> prompt);
std::unique_ptr<AnswerWriter> make_completion_writer(AnswerName name, const Tokenizer& tokenizer,
                                                     const OpenAiDetails& details,
                                                     std::vector<std::vector<int32_t>> prompts,
                                                     size_t choices, CompletionEcho echo);
// Anthropic's Messages. One choice.
std::unique_ptr<AnswerWriter> make_messages_writer(AnswerName name);
// OpenAI's Responses. One choice. asked: the response's members that repeat the request.
std::unique_ptr<AnswerWriter> make_responses_writer(const AnswerName& name,
                                                    const nlohmann::ordered_json& asked);

}  // namespace ember
