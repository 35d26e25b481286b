// SPDX-License-Identifier: Apache-2.0
// An answer that the hub sends over HTTP.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "api/generation_answer.h"
#include "ember/server/response.h"
#include "http/http_sink.h"

namespace ember {

class GenerationResponse final : public Response {
 public:
  // `answer` writes to `sink`.
  GenerationResponse(std::unique_ptr<HttpSink> sink, std::unique_ptr<GenerationAnswer> answer,
                     std::string access_line)
      : sink_(std::move(sink)), answer_(std::move(answer)), access_line_(std::move(access_line)) {}

  void start(std::string& out) override;
  void on_event(const TokenOutput& event, std::string& out,
                std::vector<RequestId>& cancels) override;
  void fail(const Error& error, std::string& out) override;
  void on_disconnect() override { answer_->abandon(); }
  void keep_alive(std::string& out) override;
  bool finished() const override { return answer_->finished(); }
  bool keep_connection() const override { return sink_->keep_connection(); }
  int status() const override { return answer_->status(); }
  const std::string& access_line() const override { return access_line_; }

 private:
  const std::unique_ptr<HttpSink> sink_;
  const std::unique_ptr<GenerationAnswer> answer_;
  const std::string access_line_;
};

}  // namespace ember
