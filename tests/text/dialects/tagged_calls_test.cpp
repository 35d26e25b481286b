// SPDX-License-Identifier: Apache-2.0
// The reader with tags that no dialect has; the dialects' own tests have theirs.
#include "dialects/tagged_calls.h"

#include <gtest/gtest.h>

#include "text/tool_calls.h"

namespace ember {
namespace {

constexpr CallTags kTags = {.open = "[",
                            .name_begin = "<",
                            .name_end = ">",
                            .key_begin = "(",
                            .key_end = ")",
                            .value_begin = "",
                            .value_end = ";",
                            .call_end = "!",
                            .close = "]"};

// Content and calls of a text that comes in two pieces.
ToolParser::Output read(const std::string& text, size_t cut, bool constrained) {
  ToolParser::Options options = test::options("glm45", constrained);
  options.parameters = {
      {{"type", "object"},
       {"properties", {{"s", {{"type", "string"}}}, {"n", {{"type", "integer"}}}}}}};
  options.functions = {"f"};
  CallSink sink(options);
  TaggedCallReader reader(sink, kTags);
  reader.read(text.substr(0, cut));
  reader.read(text.substr(cut));
  reader.finish();
  return sink.take();
}

std::string arguments_of(const ToolParser::Output& out) {
  std::string all;
  for (const ToolCallDelta& delta : out.calls) all += delta.name + delta.arguments;
  return all;
}

TEST(TaggedCallReader, ReadsTheSameHoweverTheTextIsCut) {
  const std::string text = "So: [<f>(s) a [b] ;(n)5;!]";
  for (const bool constrained : {false, true})
    for (size_t cut = 0; cut <= text.size(); ++cut) {
      const ToolParser::Output out = read(text, cut, constrained);
      EXPECT_EQ(out.content, "So:") << cut;
      EXPECT_EQ(arguments_of(out), R"(f{"s": " a [b] ", "n": 5})") << cut;
    }
}

TEST(TaggedCallReader, WhatIsNoWholeCallIsText) {
  for (const std::string text : {"[", "[<g>!]", "[<f>(s", "[<f>(s)x", "a [<f> b"})
    for (size_t cut = 0; cut <= text.size(); ++cut) {
      const ToolParser::Output out = read(text, cut, false);
      EXPECT_EQ(out.content, text) << cut;
      EXPECT_TRUE(out.calls.empty());
    }
}

}  // namespace
}  // namespace ember
