// SPDX-License-Identifier: Apache-2.0
#include "http/http_sink.h"

namespace ember {

void HttpSink::start(const Start& start) {
  start_ = start;
  if (start_.stream) *out_ += stream_head(head_);  // the head of a body tells its length
}

void HttpSink::write(std::string_view payload) {
  if (start_.stream) {
    *out_ += stream_piece(head_, payload);
    return;
  }
  std::string headers;
  for (const auto& [name, value] : start_.headers) headers += name + ": " + value + "\r\n";
  *out_ += json_answer(start_.status, head_, std::string(payload), headers);
}

void HttpSink::end(bool complete) {
  if (!start_.stream) return;
  *out_ += stream_end(head_);
  if (!complete) head_.keep_connection = false;
}

}  // namespace ember
