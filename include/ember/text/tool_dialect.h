// SPDX-License-Identifier: Apache-2.0
// How models write function calls, each as the chat templates of its family teach it.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ember {

class CallReader;
class CallSink;
class Tokenizer;
struct GrammarSource;
struct ToolGrammarSpec;

// A function that the model may call.
struct ToolFunction {
  std::string name;                   // letters, digits, _ and -
  nlohmann::ordered_json parameters;  // a JSON schema; null: any object
  std::string field = {};             // where the request has them: tools[0].function.parameters
};

// One way of writing calls. The known ones are constants that live as long as the process; the
// list of them is src/text/dialects/table.h, and each has a file of its own beside it.
struct ToolDialect {
  std::string_view name;  // as in --tool-call-parser
  // Texts that may be special tokens and still belong to a call.
  std::span<const std::string_view> markers;
  // Whether a chat template has the marks of this dialect, and not those of others that look alike.
  bool (*is_taught_by)(std::string_view template_source);
  // The right side of the grammar's start rule. The rules that it refers to are appended to
  // source.text, which has the rule args_i for the arguments of function i already, and further
  // schemas to source.schemas and source.places.
  std::string (*grammar)(const ToolGrammarSpec& spec, const Tokenizer& tokenizer,
                         GrammarSource& source);
  // A reader of one answer. `sink` must outlive it.
  std::unique_ptr<CallReader> (*make_reader)(CallSink& sink);
  // The id of a call, made from random bits.
  std::string (*make_id)(uint64_t random);
  // Special tokens that end an answer, whether the model's files say so or not.
  std::span<const std::string_view> stops = {};
  // The answer is made of channels, of which one is the reasoning: its reader tells them apart.
  bool has_channels = false;
};

// Null: there is none of this name.
const ToolDialect* tool_dialect_by_name(std::string_view name);
std::vector<std::string> tool_dialect_names();

// The dialect that a chat template teaches; null: none that is known. written: how the template
// writes a call (written_call.h), in one form or several. Where it writes one, a dialect that does
// not read it is not meant, whatever marks the source has.
const ToolDialect* detect_tool_dialect(std::string_view template_source,
                                       std::span<const std::string> written = {});

}  // namespace ember
