// SPDX-License-Identifier: Apache-2.0
#include "ember/text/detokenizer.h"

#include <gtest/gtest.h>

#include "text/fixtures.h"

namespace ember {
namespace {

std::string streamed(const Tokenizer& tokenizer, const std::vector<int32_t>& ids, bool skip) {
  Detokenizer detokenizer(tokenizer, {}, skip);
  std::string text;
  for (const int32_t id : ids) {
    const std::string piece = detokenizer.push(id);
    EXPECT_TRUE(is_valid_utf8(piece));
    text += piece;
  }
  return text + detokenizer.finish();
}

void expect_streams(const Tokenizer& tokenizer, const std::vector<int32_t>& ids) {
  for (const bool skip : {false, true}) {
    const auto whole = tokenizer.decode(ids, skip);
    ASSERT_TRUE(whole.ok());
    ASSERT_EQ(streamed(tokenizer, ids, skip), whole.value()) << testing::PrintToString(ids);
  }
}

int32_t byte_id(int b) { return 3 + b; }  // of metaspace_json()

std::unique_ptr<Tokenizer> metaspace() {
  const test::ModelDir dir;
  dir.write("tokenizer.json", test::metaspace_json());
  return test::load_tokenizer(dir.path());
}

TEST(Detokenizer, EveryReferenceStringStreamed) {
  const auto reference_strings =
      test::read_json(test::source_dir() / "tests/data/demo/tokenizer_reference.json")["strings"];
  for (const auto& row : reference_strings) {
    const auto ids = row["ids"].get<std::vector<int32_t>>();
    EXPECT_EQ(streamed(test::demo(), ids, false), row["decoded"].get<std::string>());
    EXPECT_EQ(streamed(test::demo(), ids, true), row["decoded_skip_special"].get<std::string>());
  }
}

TEST(Detokenizer, HoldsBackPartsOfACharacter) {
  const auto ids = test::demo().encode("🙂", {.add_special_tokens = false});
  ASSERT_TRUE(ids.ok());
  ASSERT_GT(ids.value().size(), 1u);
  Detokenizer detokenizer(test::demo(), {}, false);
  for (size_t i = 0; i + 1 < ids.value().size(); ++i)
    EXPECT_EQ(detokenizer.push(ids.value()[i]), "");
  EXPECT_EQ(detokenizer.push(ids.value().back()), "🙂");
  EXPECT_EQ(detokenizer.finish(), "");
}

TEST(Detokenizer, ACharacterThatNeverEndsIsReplacedAtTheEnd) {
  const auto ids = test::demo().encode("🙂", {.add_special_tokens = false});
  Detokenizer detokenizer(test::demo(), {}, false);
  EXPECT_EQ(detokenizer.push(ids.value()[0]), "");
  EXPECT_EQ(detokenizer.finish(), kReplacement);
}

// Models often have more rows than the tokenizer has tokens, and may choose one.
TEST(Detokenizer, AnIdWithoutATokenIsNothing) {
  const auto other = metaspace();
  for (const Tokenizer* tokenizer : {&test::demo(), static_cast<const Tokenizer*>(other.get())}) {
    const int32_t beyond = tokenizer->vocab_size();
    const std::vector<int32_t> ids = {5, 6, 7};
    EXPECT_EQ(streamed(*tokenizer, {5, beyond, 6, beyond + 1000, 7, -1}, false),
              streamed(*tokenizer, ids, false));
    EXPECT_EQ(tokenizer->token_bytes(beyond), "");
  }
}

TEST(Detokenizer, RandomIdsEqualDecode) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937_64 rng(seed);
  for (int round = 0; round < 2000; ++round) {
    std::vector<int32_t> ids(rng() % 20);
    for (int32_t& id : ids)
      id = static_cast<int32_t>(rng() % static_cast<uint64_t>(test::demo().vocab_size()));
    // Single bytes (the first ids of a byte-level vocabulary) make broken characters likely.
    for (int32_t& id : ids)
      if (rng() % 2 == 0) id %= 256;
    ASSERT_NO_FATAL_FAILURE(expect_streams(test::demo(), ids));
  }
}

TEST(Detokenizer, MetaspaceRandomIdsEqualDecode) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937_64 rng(seed);
  const auto tokenizer = metaspace();
  for (int round = 0; round < 3000; ++round) {
    std::vector<int32_t> ids;
    const size_t parts = rng() % 10;
    for (size_t i = 0; i < parts; ++i) {
      std::string text = test::random_text(rng, 3);
      for (const char b : text) ids.push_back(byte_id(static_cast<unsigned char>(b)));
      ids.push_back(static_cast<int32_t>(259 + rng() % 15));
    }
    ASSERT_NO_FATAL_FAILURE(expect_streams(*tokenizer, ids));
  }
}

TEST(Detokenizer, MetaspaceKeepsTheSpaceAfterAPrompt) {
  const auto tokenizer = metaspace();
  const auto prompt = tokenizer->encode("Hello", {.add_special_tokens = false});
  ASSERT_TRUE(prompt.ok());
  const int32_t world = *tokenizer->token_to_id("▁wor");
  EXPECT_EQ(Detokenizer(*tokenizer, prompt.value(), true).push(world), " wor");
  EXPECT_EQ(Detokenizer(*tokenizer, {}, true).push(world), "wor");
}

// Byte fallback: bytes are held back until they make a character.
TEST(Detokenizer, MetaspaceBytes) {
  const auto tokenizer = metaspace();
  Detokenizer detokenizer(*tokenizer, {}, true);
  std::string text;
  for (const int b : {0xF0, 0x9F, 0x99}) text += detokenizer.push(byte_id(b));
  EXPECT_EQ(text, "");
  EXPECT_EQ(detokenizer.push(byte_id(0x82)), "🙂");
}

}  // namespace
}  // namespace ember
