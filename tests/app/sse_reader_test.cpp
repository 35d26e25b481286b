// SPDX-License-Identifier: Apache-2.0
#include "sse_reader.h"

#include <gtest/gtest.h>

namespace ember {
namespace {

TEST(SseReader, AnySplitGivesTheSameEvents) {
  const std::string stream =
      ": keep-alive\n\ndata: {\"a\":1}\r\n\r\nevent: x\ndata:two\n\ndata: [DONE]\n\n";
  const std::vector<std::string> expected = {"{\"a\":1}", "two", "[DONE]"};
  for (size_t piece = 1; piece <= stream.size(); ++piece) {
    SseReader reader;
    std::vector<std::string> events;
    for (size_t at = 0; at < stream.size(); at += piece)
      for (std::string& event : reader.push(std::string_view(stream).substr(at, piece)))
        events.push_back(std::move(event));
    EXPECT_EQ(events, expected) << "pieces of " << piece;
  }
}

}  // namespace
}  // namespace ember
