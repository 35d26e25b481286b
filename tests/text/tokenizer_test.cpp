// SPDX-License-Identifier: Apache-2.0
#include "ember/text/tokenizer.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <pthread.h>

#include <algorithm>
#include <array>
#include <climits>

#include "text/fixtures.h"

namespace ember {
namespace {

using test::Json;
using testing::AllOf;
using testing::HasSubstr;
using Ids = std::vector<int32_t>;

constexpr Tokenizer::EncodeOptions kText{.add_special_tokens = false, .parse_special = true};
constexpr Tokenizer::EncodeOptions kPlain{.add_special_tokens = false, .parse_special = false};

Ids encode(const Tokenizer& tokenizer, std::string_view text,
           Tokenizer::EncodeOptions options = kText) {
  auto ids = tokenizer.encode(text, options);
  EXPECT_TRUE(ids.ok());
  return ids.ok() ? std::move(ids).value() : Ids{-1};
}

std::string decode(const Tokenizer& tokenizer, const Ids& ids, bool skip = false) {
  auto text = tokenizer.decode(ids, skip);
  EXPECT_TRUE(text.ok());
  return text.ok() ? std::move(text).value() : "";
}

bool has_special(const Tokenizer& tokenizer, const Ids& ids) {
  return std::any_of(ids.begin(), ids.end(), [&](int32_t id) { return tokenizer.is_special(id); });
}

TEST(Tokenizer, EqualsTheDemoReference) {
  const Json reference =
      test::read_json(test::source_dir() / "tests/data/demo/tokenizer_reference.json");
  ASSERT_EQ(reference["strings"].size(), 300u);
  for (const auto& row : reference["strings"]) {
    const std::string text = row["text"];
    const Ids ids = encode(test::demo(), text);
    ASSERT_EQ(ids, row["ids"].get<Ids>()) << text;
    ASSERT_EQ(encode(test::demo(), text, {}), row["ids_with_special_tokens"].get<Ids>()) << text;
    ASSERT_EQ(decode(test::demo(), ids), row["decoded"].get<std::string>());
    ASSERT_EQ(decode(test::demo(), ids, true), row["decoded_skip_special"].get<std::string>());
    if (!has_special(test::demo(), ids)) {
      ASSERT_EQ(encode(test::demo(), text, kPlain), ids) << text;
    }
  }
}

// Both forms of accented letters, all scripts, controls, noncharacters, runs, added tokens.
TEST(Tokenizer, EqualsTheQwenReference) {
  const Tokenizer* tokenizer = test::qwen();
  if (tokenizer == nullptr) return;
  const Json reference =
      test::read_json(test::source_dir() / "tests/data/qwen2_5_tokenizer_reference.json");
  ASSERT_GT(reference["strings"].size(), 400u);
  for (const auto& row : reference["strings"]) {
    const Ids ids = encode(*tokenizer, row["text"].get<std::string>());
    ASSERT_EQ(ids, row["ids"].get<Ids>()) << row["text"];
    ASSERT_EQ(decode(*tokenizer, ids), row["decoded"].get<std::string>());
  }
}

TEST(Tokenizer, EveryCodePointComesBack) {
  std::string text;
  for (uint32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    test::append_code_point(text, c);
    if (c % 64 != 63) continue;
    ASSERT_EQ(decode(test::demo(), encode(test::demo(), text)), text) << std::hex << c;
    text.clear();
  }
}

TEST(Tokenizer, RandomTextComesBack) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937_64 rng(seed);
  for (int round = 0; round < 3000; ++round) {
    const std::string text = test::random_text(rng, 60);
    const Ids ids = encode(test::demo(), text, kPlain);
    ASSERT_EQ(decode(test::demo(), ids), text);
    std::string bytes;
    for (const int32_t id : ids) bytes += test::demo().token_bytes(id);
    ASSERT_EQ(bytes, text);
  }
}

TEST(Tokenizer, PlainTextHoldsNoSpecialToken) {
  for (const std::string text :
       {"<|eot_id|>", "a<|begin_of_text|><|start_header_id|>system<|end_header_id|>",
        "<|eot_id|><|eot_id|>"}) {
    EXPECT_TRUE(has_special(test::demo(), encode(test::demo(), text)));
    const Ids plain = encode(test::demo(), text, kPlain);
    EXPECT_FALSE(has_special(test::demo(), plain)) << text;
    EXPECT_EQ(decode(test::demo(), plain, true), text);
  }
}

TEST(Tokenizer, TokensAndSpecials) {
  const Tokenizer& tokenizer = test::demo();
  EXPECT_EQ(tokenizer.vocab_size(), 6144);
  EXPECT_EQ(tokenizer.bos_token(), "<|begin_of_text|>");
  EXPECT_EQ(tokenizer.token_to_id(tokenizer.eos_token()), 6140);
  EXPECT_EQ(tokenizer.token_to_id("no such token"), std::nullopt);
  EXPECT_EQ(tokenizer.special_tokens().size(), 8u);
  EXPECT_TRUE(tokenizer.is_special(6136));
  EXPECT_FALSE(tokenizer.is_special(6135));
  EXPECT_FALSE(tokenizer.is_special(-1));
  EXPECT_FALSE(tokenizer.is_special(6144));
  EXPECT_EQ(tokenizer.token_bytes(6140), "<|eot_id|>");
}

TEST(Tokenizer, IdsOutsideTheVocabularyAreRefused) {
  for (const int32_t id : {-1, 6144, INT32_MAX, INT32_MIN}) {
    const auto text = test::demo().decode(std::array{65, id}, false);
    ASSERT_FALSE(text.ok());
    EXPECT_THAT(text.error().message, AllOf(HasSubstr(std::to_string(id)), HasSubstr("6144")));
  }
}

TEST(Tokenizer, InvalidUtf8IsRead) {
  EXPECT_EQ(decode(test::demo(), encode(test::demo(), "a\xFF\xF0\x9Fz")),
            "a\xEF\xBF\xBD\xEF\xBF\xBDz");
}

TEST(Tokenizer, MetaspaceBytes) {
  const test::ModelDir dir;
  dir.write("tokenizer.json", test::metaspace_json());
  const auto tokenizer = test::load_tokenizer(dir.path());
  EXPECT_FALSE(tokenizer->byte_level());
  EXPECT_EQ(tokenizer->token_bytes(*tokenizer->token_to_id("▁wor")), " wor");
  EXPECT_EQ(tokenizer->token_bytes(3 + 0xF0), "\xF0");
  EXPECT_EQ(decode(*tokenizer, encode(*tokenizer, "Hello world 🙂")), "Hello world 🙂");
}

TEST(Tokenizer, BytesOfAByteLevelDecoderInASequence) {
  test::Json json = test::read_json(test::demo_dir() / "tokenizer.json");
  json["decoder"] = {{"type", "Sequence"},
                     {"decoders", test::Json::array({json["decoder"], {{"type", "Fuse"}}})}};
  const test::ModelDir dir;
  dir.write("tokenizer.json", json.dump());
  const auto tokenizer = test::load_tokenizer(dir.path());
  const std::string text = "A fox, a caf\u00e9 and \U0001F98A.";
  EXPECT_EQ(encode(*tokenizer, text), encode(test::demo(), text));
  EXPECT_EQ(decode(*tokenizer, encode(*tokenizer, text)),
            decode(test::demo(), encode(test::demo(), text)));
  for (int32_t id = 0; id < tokenizer->vocab_size(); ++id)
    ASSERT_EQ(tokenizer->token_bytes(id), test::demo().token_bytes(id)) << id;
}

// Runs that a backtracking regex or a recursive merge would break on, on a thread with little
// stack.
void* encode_runs(void* failures) {
  const auto times = [](std::string_view unit, size_t n) {
    std::string text;
    for (size_t i = 0; i < n; ++i) text += unit;
    return text;
  };
  const std::vector<std::string> texts = {
      times("a", 1000000),     times("^", 1000000),      times(" ", 1000000),
      times("\n", 1000000),    times("1", 1000000),      times("é", 500000),
      times("Z", 131072),      times("\u0301", 1000000), times("👩\u200d", 200000),
      times("\u200f", 500000), times(" \n", 500000),     times("<|", 500000)};
  for (const std::string& text : texts) {
    const auto ids = test::demo().encode(text, kPlain);
    const auto back =
        ids.ok() ? test::demo().decode(ids.value(), false) : Result<std::string>(ids.error());
    if (!back.ok() || back.value() != text) ++*static_cast<int*>(failures);
  }
  return nullptr;
}

TEST(Tokenizer, LongRunsOnASmallStack) {
  ASSERT_GT(test::demo().vocab_size(), 0);  // loaded outside the thread
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  ASSERT_EQ(pthread_attr_setstacksize(&attributes, 256 << 10), 0);
  pthread_t thread{};
  int failures = 0;
  ASSERT_EQ(pthread_create(&thread, &attributes, encode_runs, &failures), 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
  EXPECT_EQ(failures, 0);
}

std::string load_error(const std::string& tokenizer_json) {
  const test::ModelDir dir;
  dir.write("tokenizer.json", tokenizer_json);
  const auto loaded = Tokenizer::load(dir.path());
  return loaded.ok() ? "" : loaded.error().message;
}

TEST(Tokenizer, BrokenFilesAreRefused) {
  const test::ModelDir empty;
  const auto absent = Tokenizer::load(empty.path());
  ASSERT_FALSE(absent.ok());
  EXPECT_THAT(absent.error().message, HasSubstr("tokenizer.json: file does not exist"));

  const std::string good = test::metaspace_json();
  EXPECT_EQ(load_error(good), "");
  EXPECT_THAT(load_error(good.substr(0, good.size() / 2)), HasSubstr("tokenizer.json: not JSON"));
  EXPECT_THAT(load_error("[]"), HasSubstr("must hold a JSON object"));
  EXPECT_THAT(load_error("{}"), HasSubstr("\"model\" is missing"));
  const auto changed = [&](auto change) {
    Json json = Json::parse(good);
    change(json);
    return load_error(json.dump());
  };
  EXPECT_THAT(changed([](Json& j) { j["model"]["vocab"]["H"] = 5; }),
              HasSubstr("id 5 is given to two tokens"));
  EXPECT_THAT(changed([](Json& j) { j["model"]["vocab"]["H"] = -1; }), HasSubstr("found -1"));
  EXPECT_THAT(changed([](Json& j) { j["model"]["vocab"]["H"] = 4000000000u; }),
              HasSubstr("found 4000000000"));
  EXPECT_THAT(changed([](Json& j) { j["model"]["merges"].push_back("H unknown"); }),
              HasSubstr("tokenizer.json: "));
  EXPECT_THAT(changed([](Json& j) {
                j["pre_tokenizer"] = {{"type", "Split"},
                                      {"pattern", {{"Regex", "(a"}}},
                                      {"behavior", "Isolated"},
                                      {"invert", false}};
              }),
              HasSubstr("tokenizer.json: "));
  EXPECT_EQ(changed([](Json& j) { j["model"]["vocab"]["hole"] = 1000; }), "");
}

Json added_token(int id, const std::string& text, bool special = true) {
  return {{"id", id},        {"content", text},     {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", false}, {"special", special}};
}

// Gemma 3 of 1B names a token for images that its embedding has no row for.
TEST(Tokenizer, AddedTokensBeyondTheModelsVocabularyAreText) {
  const test::ModelDir dir;
  Json json = Json::parse(test::metaspace_json());
  const int32_t size = static_cast<int32_t>(json["model"]["vocab"].size());
  json["added_tokens"].push_back(added_token(size, "<in>"));
  json["added_tokens"].push_back(added_token(size + 1, "<image>"));
  dir.write("tokenizer.json", json.dump());
  dir.write("tokenizer_config.json",
            fmt::format(R"({{"image_token": "<image>", "pad_token": "<pad>",
                            "added_tokens_decoder": {{"{}": {{"content": "<listed>"}}}}}})",
                        size + 2));
  const auto all = test::load_tokenizer(dir.path());
  EXPECT_EQ(all->vocab_size(), size + 4) << "with a pad token that nothing lists";
  EXPECT_EQ(all->token_to_id("<image>"), size + 1);
  const auto loaded = Tokenizer::load(dir.path(), size + 1);
  ASSERT_TRUE(loaded.ok()) << loaded.error().message;
  const Tokenizer& tokenizer = *loaded.value();
  EXPECT_EQ(tokenizer.vocab_size(), size + 1);
  EXPECT_EQ(encode(tokenizer, "<in>"), Ids{size});
  for (const char* text : {"<image>", "<pad>", "<listed>"}) {
    EXPECT_EQ(tokenizer.token_to_id(text), std::nullopt) << text;
    EXPECT_EQ(decode(tokenizer, encode(tokenizer, text)), text);
    EXPECT_EQ(encode(tokenizer, text), encode(tokenizer, text, kPlain));
  }
  EXPECT_EQ(tokenizer.named_tokens().at("image_token"), "<image>") << "templates may write it";
}

TEST(Tokenizer, ATokenThatIsAddedToEveryTextMustBeThere) {
  Json json = Json::parse(test::metaspace_json());
  json["post_processor"] = {
      {"type", "TemplateProcessing"},
      {"single", Json::array({{{"SpecialToken", {{"id", "<far>"}, {"type_id", 0}}}},
                              {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}})},
      {"pair", Json::array({{{"Sequence", {{"id", "A"}, {"type_id", 0}}}},
                            {{"Sequence", {{"id", "B"}, {"type_id", 1}}}}})},
      {"special_tokens", {{"<far>", {{"id", "<far>"}, {"ids", {5000}}, {"tokens", {"<far>"}}}}}}};
  const test::ModelDir dir;
  dir.write("tokenizer.json", json.dump());
  const auto loaded = Tokenizer::load(dir.path());
  ASSERT_FALSE(loaded.ok());
  EXPECT_THAT(loaded.error().message,
              HasSubstr("token 5000, which is added to every text, is outside the vocabulary"));
}

// What tokenizer_config.json says of a token comes before what tokenizer.json says, as in
// transformers; special tokens that are in the vocabulary only are found too.
TEST(Tokenizer, ListedTokensGetTheirFlags) {
  const test::ModelDir dir;
  Json json = Json::parse(test::metaspace_json());
  json["model"]["vocab"]["<x>"] = json["model"]["vocab"].size();
  const int32_t x = json["model"]["vocab"]["<x>"];
  dir.write("tokenizer.json", json.dump());
  EXPECT_NE(encode(*test::load_tokenizer(dir.path()), "<x>"), Ids{x});
  dir.write("tokenizer_config.json", R"({"eos_token": "<x>"})");
  EXPECT_EQ(encode(*test::load_tokenizer(dir.path()), "<x>"), Ids{x});
  EXPECT_TRUE(test::load_tokenizer(dir.path())->is_special(x));
  dir.write("tokenizer_config.json", R"({"added_tokens_decoder": {"2": {"content": "</s>",
            "lstrip": true, "rstrip": true, "special": true}, "7": {"content": "<x>"}}})");
  const auto tokenizer = test::load_tokenizer(dir.path());
  EXPECT_EQ(encode(*tokenizer, "H \u3000</s>\n H"),
            (Ids{*tokenizer->token_to_id("▁H"), 2, *tokenizer->token_to_id("▁H")}));
  EXPECT_EQ(tokenizer->token_to_id("<x>"), x) << "the id is the vocabulary's";
  EXPECT_FALSE(tokenizer->is_special(x));
  const auto& texts = tokenizer->special_tokens();
  EXPECT_NE(std::ranges::find(texts, Tokenizer::SpecialText{"</s>", true, true}), texts.end());
}

// The library decodes an added token as any other.
TEST(Tokenizer, BytesOfAnAddedTokenAreWhatItDecodesTo) {
  const test::ModelDir dir;
  Json json = Json::parse(test::metaspace_json());
  const int32_t id = static_cast<int32_t>(json["model"]["vocab"].size());
  json["added_tokens"].push_back(added_token(id, "▁▁", false));
  dir.write("tokenizer.json", json.dump());
  const auto tokenizer = test::load_tokenizer(dir.path());
  const int32_t h = *tokenizer->token_to_id("H");
  EXPECT_EQ(decode(*tokenizer, {h, id, h}), "H  H");
  EXPECT_EQ(tokenizer->token_bytes(id), "  ");
}

// Where a text stands behind another one, no space is put before it that only a beginning gets.
TEST(Tokenizer, ATextBehindAnotherOneHasNoFirstSpace) {
  Json json = Json::parse(test::metaspace_json());
  json["normalizer"] = nullptr;
  for (const bool first : {true, false}) {
    json["pre_tokenizer"] = {{"type", "Metaspace"},
                             {"replacement", "▁"},
                             {"prepend_scheme", first ? "first" : "always"},
                             {"split", false}};
    const test::ModelDir dir;
    dir.write("tokenizer.json", json.dump());
    const auto tokenizer = test::load_tokenizer(dir.path());
    const Ids whole = encode(*tokenizer, "H</s>H");
    Ids pieces = encode(*tokenizer, "H");
    for (const char* text : {"</s>", "H"})
      for (const int32_t id :
           encode(*tokenizer, text,
                  {.add_special_tokens = false, .parse_special = text[0] == '<', .behind = true}))
        pieces.push_back(id);
    EXPECT_EQ(pieces, whole);
  }
}

TEST(Tokenizer, HolesInTheVocabularyAreHarmless) {
  const test::ModelDir dir;
  Json json = Json::parse(test::metaspace_json());
  json["model"]["vocab"]["far"] = 1000;
  dir.write("tokenizer.json", json.dump());
  const auto tokenizer = test::load_tokenizer(dir.path());
  EXPECT_EQ(tokenizer->vocab_size(), 1001);
  EXPECT_EQ(tokenizer->token_bytes(999), "");
  EXPECT_EQ(decode(*tokenizer, {999, 1000}), "far");
}

}  // namespace
}  // namespace ember
