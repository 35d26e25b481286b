// SPDX-License-Identifier: Apache-2.0
// Qwen3-Coder, Qwen3.5, Nemotron 3, Step 3.5: <tool_call>, <function=NAME>, each argument between
// <parameter=KEY> and </parameter>, </function>, </tool_call>, each on lines of its own. Seed-OSS
// writes the same within <seed:tool_call>.
#include "dialects/table.h"
#include "dialects/tagged_calls.h"

namespace ember {

namespace {

constexpr CallTags tags_within(std::string_view open, std::string_view close) {
  return {.open = open,
          .name_begin = "<function=",
          .name_end = ">",
          .key_begin = "<parameter=",
          .key_end = ">",
          .value_begin = "",
          .value_end = "</parameter>",
          .call_end = "</function>",
          .close = close,
          .value_lines = true};
}

constexpr CallTags kQwen = tags_within("<tool_call>", "</tool_call>"),
                   kSeed = tags_within("<seed:tool_call>", "</seed:tool_call>");
constexpr std::string_view kQwenMarkers[] = {kQwen.open, kQwen.close},
                           kSeedMarkers[] = {kSeed.open, kSeed.close};

bool has_tags(std::string_view source) {
  return source.find("<function=") != std::string_view::npos &&
         source.find("<parameter=") != std::string_view::npos;
}

template <const CallTags& kTags>
std::string grammar(const ToolGrammarSpec& spec, const Tokenizer& tokenizer,
                    GrammarSource& source) {
  return tagged_grammar(kTags, spec, tokenizer, source);
}

template <const CallTags& kTags>
std::unique_ptr<CallReader> reader(CallSink& sink) {
  return std::make_unique<TaggedCallReader>(sink, kTags);
}

}  // namespace

constinit const ToolDialect kQwen3Coder = {
    .name = "qwen3_coder",
    .markers = kQwenMarkers,
    .is_taught_by =
        [](std::string_view source) {
          return has_tags(source) && source.find(kQwen.open) != std::string_view::npos;
        },
    .grammar = grammar<kQwen>,
    .make_reader = reader<kQwen>,
    .make_id = default_call_id,
};

constinit const ToolDialect kSeedOss = {
    .name = "seed_oss",
    .markers = kSeedMarkers,
    .is_taught_by =
        [](std::string_view source) {
          return has_tags(source) && source.find(kSeed.open) != std::string_view::npos;
        },
    .grammar = grammar<kSeed>,
    .make_reader = reader<kSeed>,
    .make_id = default_call_id,
};

}  // namespace ember
