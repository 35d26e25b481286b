// SPDX-License-Identifier: Apache-2.0
#include "special_marks.h"

#include <gtest/gtest.h>

#include "text/fixtures.h"

namespace ember {
namespace {

using test::Json;

const std::vector<Tokenizer::SpecialText> kSpecials = {{"<s>"}, {"</s>"}, {"<s><s>"},
                                                       {"é!"},  {"x"},    {"ß"}};

std::string joined(const std::vector<SpecialMarks::Piece>& pieces) {
  std::string text;
  for (const auto& piece : pieces) text += piece.text;
  return text;
}

TEST(SpecialMarks, NothingChangesWithoutSpecialText) {
  const Json messages = {
      {{"role", "user"}, {"content", "a < b, s> é"}, {"n", 1.5}, {"list", {1, nullptr, true}}}};
  const SpecialMarks marks(kSpecials, messages);
  EXPECT_EQ(marks.mark(messages), messages);
  const auto pieces = marks.split("<s>a < b</s>");
  ASSERT_EQ(pieces.size(), 1u);
  EXPECT_FALSE(pieces[0].plain);
}

TEST(SpecialMarks, TellsTheTemplatesTokensFromTheMessages) {
  const Json messages = Json::array({{{"content", "z</s>y"}}});
  const SpecialMarks marks(kSpecials, messages);
  const auto pieces =
      marks.split("<s>" + marks.mark(messages)[0]["content"].get<std::string>() + "</s>");
  ASSERT_EQ(pieces.size(), 3u);
  EXPECT_EQ(pieces[0].text, "<s>");
  EXPECT_FALSE(pieces[0].plain);
  EXPECT_EQ(pieces[1].text, "z</s>y");
  EXPECT_TRUE(pieces[1].plain);
  EXPECT_EQ(pieces[2].text, "</s>");
  EXPECT_FALSE(pieces[2].plain);
}

TEST(SpecialMarks, ATokenOfOneCharacterIsTextInAMessage) {
  for (const std::string special : {"x", "ß"}) {
    const Json message = "a" + special + special + "b" + special;
    const SpecialMarks marks(kSpecials, message);
    const auto pieces = marks.split(special + marks.mark(message).get<std::string>() + special);
    ASSERT_EQ(pieces.size(), 3u) << special;
    EXPECT_FALSE(pieces[0].plain);
    EXPECT_EQ(pieces[1].text, message.get<std::string>());
    EXPECT_TRUE(pieces[1].plain);
    EXPECT_FALSE(pieces[2].plain);
  }
}

TEST(SpecialMarks, WhiteSpaceThatIsPartOfATokenStaysWithIt) {
  const std::vector<Tokenizer::SpecialText> specials = {{"<a>", false, true}, {"<b>", true, false}};
  const Json content = " <a> x \n";
  const SpecialMarks marks(specials, content);
  const auto pieces =
      marks.split("<a>\n" + marks.mark(content).get<std::string>() + "<b> <a>\u3000<b>.");
  std::vector<std::string> texts;
  for (const auto& piece : pieces) texts.push_back(piece.text);
  EXPECT_EQ(texts,
            (std::vector<std::string>{"<a>\n ", "<a> x", " \n<b>", " ", "<a>\u3000", "<b>", "."}));
  EXPECT_TRUE(pieces[1].plain);
}

// As transformers reads the whole text.
TEST(SpecialMarks, ASingleWordIsNoTokenBesideAWord) {
  const std::vector<Tokenizer::SpecialText> specials = {
      {"<w>", false, false, true}, {"<s>"}, {"x", false, false, true}};
  const Json content = "<s>a";
  const SpecialMarks marks(specials, content);
  const std::string user = marks.mark(content).get<std::string>();
  struct Case {
    std::string rendered;
    std::vector<std::string> texts;
    std::vector<bool> plain;
  };
  for (const Case& c : std::vector<Case>{
           {"<w>" + user + "<w>", {"<w>", "<s>a<w>"}, {false, true}},
           {"<w>b<s>" + user + ".<w>", {"<w>b", "<s>", "<s>a.", "<w>"}, {true, false, true, false}},
           {user + "<s><w>\u00e4", {"<s>a", "<s>", "<w>\u00e4"}, {true, false, true}},
           {user + " <w>_ <w>-", {"<s>a <w>_ ", "<w>", "-"}, {true, false, false}},
           {user + "x x", {"<s>ax ", "x"}, {true, false}}}) {
    std::vector<std::string> texts;
    std::vector<bool> plain;
    for (const auto& piece : marks.split(c.rendered)) {
      texts.push_back(piece.text);
      plain.push_back(piece.plain);
    }
    EXPECT_EQ(texts, c.texts);
    EXPECT_EQ(plain, c.plain) << c.rendered;
  }
}

TEST(SpecialMarks, MarksKeysAndNestedValues) {
  const Json value = {{"a", {{{"<s>", "é!"}}}}};
  const SpecialMarks marks(kSpecials, value);
  const std::string rendered = marks.mark(value).dump();
  EXPECT_EQ(rendered.find("<s>"), std::string::npos);
  EXPECT_EQ(rendered.find("é!"), std::string::npos);
  const auto pieces = marks.split(rendered);
  ASSERT_EQ(pieces.size(), 1u);
  EXPECT_TRUE(pieces[0].plain);
  EXPECT_EQ(pieces[0].text, value.dump());
}

// Whatever the messages hold, even the marks themselves: the text comes back and no special token
// of theirs is special.
TEST(SpecialMarks, RandomMessages) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937_64 rng(seed);
  const std::vector<std::string> parts = {
      "<s>", "</s>", "<", "s", ">", "/", "é", "!", "\xEF\xB7\x90", "\xEF\xB7\x91", "x", "ß", "z"};
  for (int round = 0; round < 5000; ++round) {
    std::string content;
    for (uint64_t n = rng() % 12; n > 0; --n) content += parts[rng() % parts.size()];
    const Json value = content;
    const SpecialMarks marks(kSpecials, value);
    const auto pieces = marks.split("</s>" + marks.mark(value).get<std::string>() + "</s>");
    ASSERT_EQ(joined(pieces), "</s>" + content + "</s>");
    for (size_t i = 1; i + 1 < pieces.size(); ++i) {
      if (pieces[i].plain) continue;
      for (const auto& special : kSpecials)
        ASSERT_EQ(pieces[i].text.find(special.text), std::string::npos) << content;
    }
  }
}

}  // namespace
}  // namespace ember
