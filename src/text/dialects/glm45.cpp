// SPDX-License-Identifier: Apache-2.0
// GLM-4.5 and later: <tool_call>NAME, each argument as <arg_key>KEY</arg_key>
// <arg_value>VALUE</arg_value>, </tool_call>; from GLM-4.7 on without line breaks between them.
#include "dialects/table.h"
#include "dialects/tagged_calls.h"

namespace ember {

namespace {

constexpr CallTags kTags = {.open = "<tool_call>",
                            .name_begin = "",
                            .name_end = "",
                            .key_begin = "<arg_key>",
                            .key_end = "</arg_key>",
                            .value_begin = "<arg_value>",
                            .value_end = "</arg_value>",
                            .call_end = "",
                            .close = "</tool_call>"};
constexpr std::string_view kMarkers[] = {kTags.open,        kTags.key_begin, kTags.key_end,
                                         kTags.value_begin, kTags.value_end, kTags.close};

bool is_taught_by(std::string_view source) {
  return source.find(kTags.open) != std::string_view::npos &&
         source.find(kTags.key_begin) != std::string_view::npos;
}

}  // namespace

constinit const ToolDialect kGlm45 = {
    .name = "glm45",
    .markers = kMarkers,
    .is_taught_by = is_taught_by,
    .grammar = [](const ToolGrammarSpec& spec, const Tokenizer& tokenizer,
                  GrammarSource& source) { return tagged_grammar(kTags, spec, tokenizer, source); },
    .make_reader = [](CallSink& sink) -> std::unique_ptr<CallReader> {
      return std::make_unique<TaggedCallReader>(sink, kTags);
    },
    .make_id = default_call_id,
};

}  // namespace ember
