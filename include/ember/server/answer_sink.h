// SPDX-License-Identifier: Apache-2.0
// Where an answer goes: to a client over HTTP, or to whatever else keeps it.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ember {

// Takes one answer. Used by one thread at a time.
class AnswerSink {
 public:
  struct Start {
    bool stream = false;  // payloads are whole server-sent events; otherwise one JSON body follows
    int status = 200;     // as HTTP has them
    std::vector<std::pair<std::string, std::string>> headers = {};  // further ones
  };
  virtual ~AnswerSink() = default;

  // The calls come in this order: start() once, write() any number of times (once with the body
  // where it is no stream), end() once.
  virtual void start(const Start& start) = 0;
  virtual void write(std::string_view payload) = 0;  // not empty
  // complete: false when the answer ended before its time; its last payload tells the error.
  virtual void end(bool complete) = 0;
};

}  // namespace ember
