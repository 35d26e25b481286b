// SPDX-License-Identifier: Apache-2.0
// The answer to a generating request: its choices, as one JSON body or as a stream of events.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "api/answer_format.h"
#include "api/chat_text.h"
#include "api/choice.h"
#include "ember/server/api_context.h"
#include "ember/server/json_reader.h"
#include "ember/server/metrics.h"
#include "ember/server/params.h"
#include "ember/server/response.h"
#include "http/http_answer.h"

namespace ember {

struct AnswerSpec {
  std::string id, model, access_line;
  std::string path;     // of the endpoint
  int64_t created = 0;  // seconds since 1970
  AnswerHead head;
  Principal principal;  // who asked
  GenerationParams params;
  std::vector<std::vector<int32_t>> prompts;  // n choices belong to each
  std::vector<std::string> echo;              // text to begin with, one per prompt; empty: none
  std::shared_ptr<const Grammar> grammar;     // that the answer is bound to; null: none
  ChatText::Options chat_text;                // how a chat's text is taken apart
  RequestId first_request = 0;                // choice i belongs to request first_request + i
  TimePoint arrival{};
  const Tokenizer* tokenizer = nullptr;
  ModelMetrics* metrics = nullptr;
  ApiContext* context = nullptr;
  std::unique_ptr<AnswerFormat> format;  // null: the endpoint's own
  Ticket ticket;                         // the place in the queue, held until the answer is done
};

// What the two formats have in common; they differ in how a choice looks.
class GenerationAnswer : public Response {
 public:
  explicit GenerationAnswer(AnswerSpec spec);

  void start(std::string& out) override;
  void on_event(const TokenOutput& event, std::string& out,
                std::vector<RequestId>& cancels) override;
  void fail(const Error& error, std::string& out) override;
  void on_disconnect() override;
  void keep_alive(std::string& out) override;
  bool finished() const override { return finished_; }
  bool keep_connection() const override { return spec_.head.keep_connection; }
  int status() const override { return status_; }
  const std::string& access_line() const override { return spec_.access_line; }

 protected:
  virtual const char* object(bool chunk) const = 0;
  virtual Json whole_choice(size_t index) = 0;
  // null: nothing to say yet.
  virtual Json chunk_choice(size_t index, const Choice::Delta& delta) = 0;
  virtual void add_to_body(Json&, bool /*chunk*/) {}
  virtual void add_to_usage(Json&) const {}
  // Every piece of every choice, before it is asked how it looks.
  virtual void on_delta(size_t /*index*/, const Choice::Delta&) {}

  const AnswerSpec& spec() const { return spec_; }
  Choice& choice(size_t index) { return choices_[index]; }
  size_t prompt_of(size_t index) const { return index / static_cast<size_t>(spec_.params.n); }
  const std::vector<int32_t>& prompt(size_t index) const { return spec_.prompts[prompt_of(index)]; }
  Json stop_reason(size_t index);
  // A token written alone: its text, and its bytes.
  std::string token_text(int32_t token) const;
  Json prompt_logprobs(
      size_t index);  // vLLM's shape: [null, {"id": {"logprob", "rank", "decoded_token"}}, ...]

 private:
  Json envelope(bool chunk) const;
  Json usage() const;
  void send_event(const Json& json, std::string& out) const;
  void send_events(const std::string& events, std::string& out) const;
  void ended(int status);
  void send_chunk(size_t index, const Choice::Delta& delta, std::string& out);
  void finish(std::string& out);

  AnswerSpec spec_;
  std::vector<Choice> choices_;
  bool finished_ = false;
  int status_ = 0;
};

// A token's log probability as JSON can say it: there is no minus infinity.
float json_logprob(float logprob);

std::unique_ptr<Response> make_chat_answer(AnswerSpec spec);
std::unique_ptr<Response> make_completion_answer(AnswerSpec spec);

}  // namespace ember
