// SPDX-License-Identifier: Apache-2.0
#include "http/http_sink.h"

namespace ember {

void HttpSink::start(const Start& start) {
  stream_ = start.stream;
  status_ = start.status;
  for (const auto& [name, value] : start.headers) headers_ += name + ": " + value + "\r\n";
  if (stream_) *out_ += stream_head(head_, headers_);  // the head of a body tells its length
}

void HttpSink::write(std::string_view payload) {
  if (stream_) {
    *out_ += stream_piece(head_, payload);
    return;
  }
  *out_ += json_answer(status_, head_, std::string(payload), headers_);
}

void HttpSink::end(bool complete) {
  if (!stream_) return;
  *out_ += stream_end(head_);
  if (!complete) head_.keep_connection = false;
}

}  // namespace ember
