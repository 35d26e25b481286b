// SPDX-License-Identifier: Apache-2.0
// How an API other than OpenAI's chat completions writes the same answer: it translates from their
// chunks and body.
#pragma once

#include <string>

#include "ember/base/result.h"
#include "ember/server/json_reader.h"

namespace ember {

// Of one answer, on the hub's thread. Functions return whole server-sent events, or nothing.
class AnswerFormat {
 public:
  virtual ~AnswerFormat() = default;
  // One chat.completion.chunk, with the usage so far; the last one has no choices.
  virtual std::string chunk(const Json& chunk) = 0;
  virtual std::string end() = 0;  // of a stream that went well
  virtual std::string error(const Error& error) = 0;
  virtual std::string keep_alive() = 0;
  // The body of a whole answer from a chat.completion.
  virtual Json whole(const Json& completion) = 0;
};

}  // namespace ember
