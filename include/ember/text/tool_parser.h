// SPDX-License-Identifier: Apache-2.0
// Function calls in a model's text, as it comes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ember/text/tool_dialect.h"

namespace ember {

// A piece of a call, as OpenAI streams them.
struct ToolCallDelta {
  int index = 0;          // of the call, from 0
  std::string id, name;   // in the first piece of a call, empty in the others
  std::string arguments;  // the next piece of a JSON object
};

// However a text is cut into pieces, the calls and the content put together are the same.
class ToolParser {
 public:
  struct Options {
    const ToolDialect* dialect = nullptr;  // never null where a parser is made
    std::vector<std::string> functions;    // a call of anything else is text
    // Their parameters' schemas in the same order, for dialects that write values without types;
    // those that are missing allow anything.
    std::vector<nlohmann::ordered_json> parameters = {};
    // A grammar makes the calls well formed: their arguments go out as they come. Otherwise a call
    // is held back until it is whole, and is content when it is malformed or never ends.
    bool constrained = false;
    bool parallel = true;  // false: calls after the first are left out
    uint64_t id_seed = 0;  // what the ids of calls are made from
  };
  explicit ToolParser(const Options& options);
  ToolParser(ToolParser&&) noexcept;
  ~ToolParser();

  struct Output {
    std::string content;
    std::vector<ToolCallDelta> calls;
    std::string reasoning = {};  // of a dialect with channels
  };
  Output push(std::string_view text);
  // The end of the text: what was held back.
  Output finish();

  int num_calls() const;
  // The text has come to a place inside reasoning.
  bool reasoning() const;

 private:
  std::unique_ptr<CallSink> sink_;
  std::unique_ptr<CallReader> reader_;  // writes to *sink_
};

}  // namespace ember
