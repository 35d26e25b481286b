// SPDX-License-Identifier: Apache-2.0
// Function calls in a model's text, as it comes.
#pragma once

#include <cstdint>
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
    ToolDialect dialect = ToolDialect::kHermes;
    std::vector<std::string> functions;  // a call of anything else is text
    // A grammar makes the calls well formed: their arguments go out as they come. Otherwise a call
    // is held back until it is whole, and is content when it is malformed or never ends.
    bool constrained = false;
    bool parallel = true;  // false: calls after the first are left out
    uint64_t id_seed = 0;  // what the ids of calls are made from
  };
  explicit ToolParser(Options options)
      : options_(std::move(options)), state_(starts_with_calls() ? State::kStart : State::kText) {}

  struct Output {
    std::string content;
    std::vector<ToolCallDelta> calls;
  };
  Output push(std::string_view text);
  // The end of the text: what was held back.
  Output finish();

  int num_calls() const { return num_calls_; }

 private:
  enum class State : uint8_t {
    kStart,      // a dialect whose calls are the whole answer: nothing decided yet
    kText,       // content, until a trigger comes
    kCall,       // held_ begins with what precedes a call's object
    kArguments,  // inside an object whose pieces go out as they come
    kClosing,    // after the object
    kRest,       // content to the end
  };
  // Where the end of a JSON object is, without checking it.
  struct Extent {
    int depth = 0;
    bool in_string = false, escaped = false;
    size_t scanned = 0;
  };

  bool starts_with_calls() const {
    return options_.dialect == ToolDialect::kLlama3 || options_.dialect == ToolDialect::kGlm4;
  }
  std::string_view trigger() const {
    return options_.dialect == ToolDialect::kMistral ? "[TOOL_CALLS]" : "<tool_call>";
  }
  bool is_function(std::string_view name) const;

  // Steps; false: more text is needed, or there is nothing left.
  bool advance(Output& out, bool at_end);
  bool start(bool at_end);
  bool start_glm(bool at_end);
  bool text(Output& out, bool at_end);
  bool call(Output& out, bool at_end);
  bool whole_call(Output& out, size_t object, bool at_end);
  bool streamed_call(Output& out, size_t object, bool at_end);
  bool arguments(Output& out);
  bool closing(bool at_end);
  bool closing_list(size_t at);
  bool malformed(Output& out);

  void begin_call(Output& out, const std::string& name);
  void add_arguments(Output& out, std::string_view piece);
  std::string make_id(int index) const;

  const Options options_;
  State state_;
  std::string held_;
  size_t opening_ = 0;    // kCall: bytes of held_ up to and including the trigger
  std::string name_;      // kCall: of a call whose name stands before its object
  bool in_list_ = false;  // Mistral: between [ and ]
  bool brace_ = false;    // kClosing: the object around the arguments is still open
  Extent extent_;
  int num_calls_ = 0;
};

}  // namespace ember
