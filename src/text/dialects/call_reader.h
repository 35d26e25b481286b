// SPDX-License-Identifier: Apache-2.0
// What every dialect's reader of calls is, and where it puts what it finds.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ember/text/tool_parser.h"

namespace ember {

// Takes what a reader finds, in the order of the text, and gives the calls their ids and indices.
// Calls after the first are dropped where only one is allowed.
class CallSink {
 public:
  explicit CallSink(ToolParser::Options options) : options_(std::move(options)) {}

  const std::vector<std::string>& functions() const { return options_.functions; }
  bool is_function(std::string_view name) const;
  // The schema of a function's parameters; null: not known.
  const nlohmann::ordered_json& parameters_of(std::string_view name) const;
  // A grammar has made the calls well formed: arguments may go out before the call has ended.
  bool constrained() const { return options_.constrained; }
  // Calls begun so far, the dropped ones included.
  int num_calls() const { return num_calls_; }

  void add_content(std::string_view text) { out_.content += text; }
  // Of a dialect with channels.
  void add_reasoning(std::string_view text) { out_.reasoning += text; }
  void begin_call(const std::string& name);
  // The next piece of the arguments of the call that was begun last.
  void add_arguments(std::string_view piece);

  // What has been added since the last time.
  ToolParser::Output take() { return std::exchange(out_, {}); }

 private:
  const ToolParser::Options options_;
  ToolParser::Output out_;
  int num_calls_ = 0;
};

// Reads one answer as it comes. However the text is cut into pieces, the sink gets the same.
class CallReader {
 public:
  explicit CallReader(CallSink& sink) : sink_(sink) {}
  virtual ~CallReader() = default;

  void read(std::string_view text) {
    held_.append(text);
    while (!held_.empty() && advance(false)) continue;
  }
  // Inside reasoning, in a dialect with channels.
  virtual bool reasoning() const { return false; }
  // The text has ended.
  void finish() {
    while (!held_.empty() && advance(true)) continue;
  }

 protected:
  // One step: takes what is decided off the front of held_, which is not empty. Returns false when
  // more text is needed. at_end: no more text follows.
  virtual bool advance(bool at_end) = 0;

  CallSink& sink_;
  std::string held_;  // text that has come and is not decided yet
};

// "call_" and 24 hexadecimal digits.
std::string default_call_id(uint64_t random);

}  // namespace ember
