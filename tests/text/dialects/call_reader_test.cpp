// SPDX-License-Identifier: Apache-2.0
#include "dialects/call_reader.h"

#include <gmock/gmock.h>

namespace ember {
namespace {

CallSink sink_of(bool parallel) {
  return CallSink({.dialect = tool_dialect_by_name("hermes"),
                   .functions = {"f", "g"},
                   .parallel = parallel,
                   .id_seed = 3});
}

TEST(CallSink, GivesIndicesAndIdsAndJoinsPieces) {
  CallSink sink = sink_of(true);
  sink.add_content("a");
  sink.begin_call("f");
  sink.add_arguments("{");
  sink.add_arguments("}");
  sink.begin_call("g");
  const ToolParser::Output out = sink.take();
  EXPECT_EQ(out.content, "a");
  ASSERT_EQ(out.calls.size(), 2u);
  EXPECT_EQ(out.calls[0].index, 0);
  EXPECT_EQ(out.calls[0].name, "f");
  EXPECT_EQ(out.calls[0].arguments, "{}");
  EXPECT_EQ(out.calls[1].index, 1);
  EXPECT_EQ(out.calls[1].arguments, "");
  EXPECT_THAT(out.calls[0].id, testing::MatchesRegex("call_[0-9a-f]{24}"));
  EXPECT_NE(out.calls[0].id, out.calls[1].id);
}

TEST(CallSink, APieceAfterTakeIsADeltaWithoutAName) {
  CallSink sink = sink_of(true);
  sink.begin_call("f");
  sink.take();
  sink.add_arguments("");
  EXPECT_TRUE(sink.take().calls.empty());
  sink.add_arguments("{}");
  const ToolParser::Output out = sink.take();
  ASSERT_EQ(out.calls.size(), 1u);
  EXPECT_EQ(out.calls[0].index, 0);
  EXPECT_EQ(out.calls[0].id + out.calls[0].name, "");
  EXPECT_EQ(out.calls[0].arguments, "{}");
}

TEST(CallSink, DropsCallsAfterTheFirst) {
  CallSink sink = sink_of(false);
  for (const char* name : {"f", "g"}) {
    sink.begin_call(name);
    sink.add_arguments("{}");
  }
  const ToolParser::Output out = sink.take();
  ASSERT_EQ(out.calls.size(), 1u);
  EXPECT_EQ(out.calls[0].name, "f");
  EXPECT_EQ(out.calls[0].arguments, "{}");
  EXPECT_EQ(sink.num_calls(), 2);
}

TEST(CallSink, KnowsTheFunctions) {
  const CallSink sink = sink_of(true);
  EXPECT_TRUE(sink.is_function("g"));
  EXPECT_FALSE(sink.is_function("h"));
  EXPECT_FALSE(sink.is_function(""));
}

}  // namespace
}  // namespace ember
