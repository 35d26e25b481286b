// SPDX-License-Identifier: Apache-2.0
// An answer as the bytes of HTTP: a JSON body with its length, or server-sent events in chunks.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "ember/server/answer_sink.h"
#include "http/http_answer.h"

namespace ember {

class HttpSink final : public AnswerSink {
 public:
  explicit HttpSink(AnswerHead head) : head_(std::move(head)) {}

  // Where the following calls append their bytes; it must live until the next write_into().
  void write_into(std::string& out) { out_ = &out; }
  // The connection may carry another request after the answer.
  bool keep_connection() const { return head_.keep_connection; }

  void start(const Start& start) override;
  void write(std::string_view payload) override;
  void end(bool complete) override;

 private:
  AnswerHead head_;
  bool stream_ = false;
  int status_ = 200;
  std::string headers_;  // further ones, whole lines with their ends
  std::string* out_ = nullptr;
};

}  // namespace ember
