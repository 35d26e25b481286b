// SPDX-License-Identifier: Apache-2.0
#include "api/text_content.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace ember {
namespace {

using Texts = std::vector<std::string>;

const TextParts kParts = {.noun = "parts", .types = {"text", "said"}, .refusal = "must be said."};

std::string fault(const Json& content, const TextParts& allowed = kParts) {
  const Result<MessageContent> read = read_text_content(content, "c", allowed);
  return read.ok() ? "" : read.error().param + "|" + read.error().message;
}

Json part(const std::string& text, const std::string& type = "text") {
  return {{"type", type}, {"text", text}};
}

TEST(TextContent, AStringStaysOneAndAListBecomesItsTexts) {
  EXPECT_EQ(read_text_content("a", "c", kParts).value(), MessageContent("a"));
  EXPECT_EQ(read_text_content({part("a"), part("b", "said")}, "c", kParts).value(),
            MessageContent(Texts{"a", "b"}));
}

TEST(TextContent, WhatIsNoTextIsRefusedWhereItStands) {
  EXPECT_EQ(fault(5), "c|c must be a string or a list of parts, not a number.");
  EXPECT_EQ(fault({part("a"), part("b", "image")}), "c[1]|c[1] must be said.");
  EXPECT_EQ(fault({{{"type", "text"}}}), "c[0].text|c[0].text must be a string.");
  EXPECT_EQ(fault(Json::array({5})), "c[0]|c[0] must be said.");
  TextParts allowed = kParts;
  allowed.refuses_no_object = true;
  EXPECT_EQ(fault(Json::array({5}), allowed), "c[0]|c[0] must be an object.");
}

TEST(TextContent, TheNumberOfPartsIsBounded) {
  Json parts = Json::array();
  EXPECT_EQ(fault(parts), "c|c must hold 1 to 1024 parts.");
  TextParts allowed = kParts;
  allowed.min_parts = 0;
  EXPECT_EQ(fault(parts, allowed), "");
  for (int i = 0; i < 1024; ++i) parts.push_back(part("a"));
  EXPECT_EQ(fault(parts), "");
  parts.push_back(part("a"));
  EXPECT_EQ(fault(parts, allowed), "c|c must hold at most 1024 parts.");
}

TEST(TextContent, OneTextMeansTheSameAsAString) {
  EXPECT_EQ(as_string_if_one(Texts{"a"}), MessageContent("a"));
  EXPECT_EQ(as_string_if_one(Texts{}), MessageContent(""));
  EXPECT_EQ(as_string_if_one(Texts{"a", "b"}), MessageContent(Texts{"a", "b"}));
  EXPECT_EQ(as_string_if_one("a"), MessageContent("a"));
  EXPECT_EQ(as_string_if_one({}), MessageContent());
}

}  // namespace
}  // namespace ember
