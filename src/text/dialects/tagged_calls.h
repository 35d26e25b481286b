// SPDX-License-Identifier: Apache-2.0
// Dialects in which each argument of a call stands between tags of its own: strings as they are,
// other values as JSON.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dialects/call_reader.h"
#include "dialects/json_extent.h"
#include "dialects/value_types.h"
#include "scan.h"

namespace ember {

struct ToolGrammarSpec;
class Tokenizer;

// What stands around the parts of a call, in their order. White space may stand between them.
struct CallTags {
  std::string_view open;
  std::string_view name_begin, name_end;  // both empty: the name ends before a line's end or a tag
  std::string_view key_begin, key_end;
  std::string_view value_begin, value_end;  // value_begin may be empty
  std::string_view call_end;                // may be empty
  std::string_view close;
  bool value_lines = false;  // a value's first and last line breaks do not belong to it
};

class TaggedCallReader final : public CallReader {
 public:
  TaggedCallReader(CallSink& sink, const CallTags& tags) : CallReader(sink), tags_(tags) {}

 private:
  enum class State : uint8_t { kBefore, kName, kNext, kValue, kAfter };

  bool advance(bool at_end) override;
  bool before(bool at_end);
  bool name(bool at_end);
  bool next(bool at_end);
  bool value(bool at_end);
  bool after(bool at_end);

  bool key(size_t begin, bool at_end);
  bool string_piece(bool at_end);
  size_t find_value_end();
  // What to do when more text is needed.
  bool wait(bool at_end) { return at_end ? cut_off() : false; }
  bool cut_off();
  bool malformed();
  void begin_value(std::string name);
  void end_call(size_t end);
  // What is before `end` has been read. Unconstrained it is kept until the call is whole.
  void pass(size_t end);

  const CallTags& tags_;
  State state_ = State::kBefore;
  size_t opening_ = 0;  // bytes of held_ that are text if no call follows them
  size_t at_ = 0;       // bytes of held_ that have been read
  std::string name_, key_;
  std::vector<std::pair<std::string, std::string>> arguments_;  // unconstrained: those so far
  bool first_ = true;                                           // no argument has begun
  ValueTypes types_;                                            // of the value that is read
  JsonExtent extent_;
  size_t scanned_ = 0;        // bytes of the value in which its end is not
  bool value_begun_ = false;  // a part of a string has been given on
};

// The right side of the start rule, as in ToolDialect::grammar. Parameters come in the order of the
// schema, each at most once.
std::string tagged_grammar(const CallTags& tags, const ToolGrammarSpec& spec,
                           const Tokenizer& tokenizer, GrammarSource& source);

}  // namespace ember
