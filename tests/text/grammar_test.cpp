// SPDX-License-Identifier: Apache-2.0
#include "ember/text/grammar.h"

#include <gtest/gtest.h>

#include <thread>

#include "text/fixtures.h"
#include "text/grammar_walk.h"

namespace ember {
namespace {

using test::Json;

int32_t demo_eos() { return *test::demo().token_to_id(test::demo().eos_token()); }

std::unique_ptr<GrammarCompiler> compiler(const Tokenizer& tokenizer, std::vector<int32_t> eos,
                                          const GrammarCompilerLimits& limits = {}) {
  Result<std::unique_ptr<GrammarCompiler>> made = GrammarCompiler::create(tokenizer, eos, limits);
  if (!made.ok()) throw std::runtime_error(made.error().message);
  return std::move(made).value();
}

GrammarCompiler& demo_compiler() {
  static const std::unique_ptr<GrammarCompiler> made = compiler(test::demo(), {demo_eos()});
  return *made;
}

std::shared_ptr<const Grammar> compile(GrammarKind kind, const std::string& text) {
  Result<std::shared_ptr<const Grammar>> made = demo_compiler().compile({kind, text}, "field");
  EXPECT_TRUE(made.ok()) << made.error().message;
  return made.ok() ? made.value() : nullptr;
}

bool accepts(const std::shared_ptr<const Grammar>& grammar, const std::string& text) {
  return test::accepts(*grammar, test::demo(), text, demo_eos());
}

TEST(Grammar, AllowsWhatASchemaAllowsAndThenOnlyTheEnd) {
  const auto grammar = compile(
      GrammarKind::kJsonSchema,
      R"({"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer","minimum":0,"maximum":99}},
                                   "required":["name","age"],"additionalProperties":false})");
  EXPECT_TRUE(accepts(grammar, R"({"name":"Ann","age":7})"));
  EXPECT_TRUE(accepts(grammar, "{\n  \"name\": \"\\n\u00e9\",\n  \"age\": 42\n}"));
  EXPECT_FALSE(accepts(grammar, R"({"name":"Ann","age":100})"));
  EXPECT_FALSE(accepts(grammar, R"({"name":"Ann"})"));
  EXPECT_FALSE(accepts(grammar, R"({"name":"Ann","age":7,"x":1})"));
  EXPECT_FALSE(accepts(grammar, R"({"name":"Ann","age":7)"));
  EXPECT_FALSE(accepts(grammar, "{\"name\":" + std::string(41, ' ') + "\"Ann\",\"age\":7}"));

  const auto constraint = grammar->start();
  const std::vector<int32_t> whole =
      test::demo().encode(R"({"name":"Ann","age":7})", {.add_special_tokens = false}).value();
  EXPECT_EQ(test::allowed_ids(*constraint, whole, test::demo().vocab_size()),
            (std::vector<int32_t>{demo_eos()}));
  std::vector<int32_t> ended = whole;
  ended.push_back(demo_eos());
  EXPECT_TRUE(test::allowed_ids(*constraint, ended, test::demo().vocab_size()).empty());
  EXPECT_EQ(constraint->state(), TokenConstraint::State::kDone);
}

TEST(Grammar, RegexAndLark) {
  const auto regex = compile(GrammarKind::kRegex, "^(red|green) [0-9]{2}$");
  EXPECT_TRUE(accepts(regex, "green 42"));
  EXPECT_FALSE(accepts(regex, "green 4"));
  EXPECT_FALSE(accepts(regex, "a red 42"));
  const auto slash = compile(GrammarKind::kRegex, "a/b\n\"c\"");
  EXPECT_TRUE(accepts(slash, "a/b\n\"c\""));
  const auto lark = compile(GrammarKind::kLark, "start: \"a\" item*\nitem: /[0-9]+/ \",\"");
  EXPECT_TRUE(accepts(lark, "a12,3,"));
  EXPECT_FALSE(accepts(lark, "a12,3"));
}

TEST(Grammar, SpecialTokensAreNotText) {
  const auto any = compile(GrammarKind::kRegex, "(?s:.*)");
  const auto ids = test::allowed_ids(*any->start(), {}, test::demo().vocab_size());
  EXPECT_GT(ids.size(), 5000u);
  for (const int32_t id : ids) EXPECT_TRUE(!test::demo().is_special(id) || id == demo_eos()) << id;
}

TEST(Grammar, ATokenThatIsNotAllowedEndsTheAnswer) {
  const auto grammar = compile(GrammarKind::kRegex, "abc");
  const auto constraint = grammar->start();
  const std::vector<int32_t> other =
      test::demo().encode("x", {.add_special_tokens = false}).value();
  EXPECT_TRUE(test::allowed_ids(*constraint, other, test::demo().vocab_size()).empty());
  EXPECT_EQ(constraint->state(), TokenConstraint::State::kFailed);
}

TEST(Grammar, AnswersOfOneGrammarKnowNothingOfEachOther) {
  const auto grammar = compile(GrammarKind::kRegex, "[ab]{1000}");
  const auto first = test::allowed_ids(*grammar->start(), {}, test::demo().vocab_size());
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      const auto constraint = grammar->start();
      std::vector<int32_t> output;
      for (size_t i = 0; i < 50; ++i)
        output.push_back(test::allowed_ids(*constraint, output, test::demo().vocab_size())
                             .at((i + static_cast<size_t>(t)) % 2));
      EXPECT_EQ(constraint->state(), TokenConstraint::State::kOpen);
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(test::allowed_ids(*grammar->start(), {}, test::demo().vocab_size()), first);
}

TEST(Grammar, MetaspaceAndByteFallback) {
  const test::ModelDir dir;
  dir.write("tokenizer.json", test::metaspace_json());
  const auto tokenizer = test::load_tokenizer(dir.path());
  const auto made = compiler(*tokenizer, {2});
  const auto grammar = made->compile({GrammarKind::kRegex, "Hello world\u00e9\n"}, "field").value();
  const auto constraint = grammar->start();
  std::vector<int32_t> output;
  std::string text;
  std::mt19937_64 rng(5);
  const std::optional<std::string> walk = test::random_walk(*grammar, *tokenizer, 2, 40, rng);
  EXPECT_EQ(walk, "Hello world\u00e9\n");
}

TEST(Grammar, SeveralEndsAndNone) {
  const std::vector<int32_t> ends = {demo_eos(), *test::demo().token_to_id("<|pad|>"), 100000000,
                                     -5};
  const auto several =
      compiler(test::demo(), ends)->compile({GrammarKind::kRegex, "a"}, "field").value();
  const std::vector<int32_t> a = test::demo().encode("a", {.add_special_tokens = false}).value();
  std::vector<int32_t> expected = {ends[0], ends[1]};
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(test::allowed_ids(*several->start(), a, test::demo().vocab_size()), expected);
  const auto none =
      compiler(test::demo(), {})->compile({GrammarKind::kRegex, "a"}, "field").value();
  const auto constraint = none->start();
  EXPECT_TRUE(test::allowed_ids(*constraint, a, test::demo().vocab_size()).empty());
  EXPECT_EQ(constraint->state(), TokenConstraint::State::kDone);
}

// What cannot be honoured is refused, and quickly; the limit is on processor time, so a busy
// machine changes nothing.
TEST(GrammarCompiler, RefusesWhatItCannotHonour) {
  std::string deep;
  for (int i = 0; i < 1000; ++i) deep += R"({"items":)";
  deep += "{}" + std::string(1000, '}');
  const std::vector<std::pair<GrammarKind, std::string>> bad = {
      {GrammarKind::kJsonSchema, R"({"$ref":"#"})"},
      {GrammarKind::kJsonSchema,
       R"({"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}},"$ref":"#/$defs/a"})"},
      {GrammarKind::kJsonSchema, deep},
      {GrammarKind::kJsonSchema, R"({"type":"array","minItems":1000000000})"},
      {GrammarKind::kJsonSchema,
       R"({"type":"object","properties":{"a":{"type":"string","minLength":1e9}}})"},
      {GrammarKind::kJsonSchema, R"({"$ref":"http://example.com/schema.json"})"},
      {GrammarKind::kJsonSchema, R"({"$ref":"file:///etc/passwd"})"},
      {GrammarKind::kJsonSchema, R"({"$ref":"#/$defs/missing"})"},
      {GrammarKind::kJsonSchema, R"({"type":"hiccup"})"},
      {GrammarKind::kJsonSchema, R"({"not":{"type":"string"}})"},
      {GrammarKind::kJsonSchema, R"({"allOf":[{"type":"string"},{"type":"integer"}]})"},
      {GrammarKind::kJsonSchema, R"({"type":"string","pattern":"(?=a)b"})"},
      {GrammarKind::kJsonSchema,
       R"({"type":"string","pattern":")" + std::string(9000, 'a') + "\"}"},
      {GrammarKind::kJsonSchema, R"({"type":"integer","multipleOf":100000007})"},
      {GrammarKind::kJsonSchema, "[1]"},
      {GrammarKind::kJsonSchema, "{"},
      {GrammarKind::kJsonSchema, "false"},
      {GrammarKind::kRegex, "(a"},
      {GrammarKind::kRegex, "(?!a)b"},
      {GrammarKind::kRegex, "[a&&b]"},
      {GrammarKind::kRegex, std::string(600, '(') + "a" + std::string(600, ')')},
      {GrammarKind::kLark, ""},
      {GrammarKind::kLark, "start: missing"},
      {GrammarKind::kLark, "start: start"},
      {GrammarKind::kLark, "start: <|no-such-token|>"},
      {GrammarKind::kLark, "start: " + std::string(400, '(') + "\"a\"" + std::string(400, ')')},
  };
  for (const auto& [kind, text] : bad) {
    const Result<std::shared_ptr<const Grammar>> made =
        demo_compiler().compile({kind, text}, "field");
    ASSERT_FALSE(made.ok()) << text.substr(0, 200);
    EXPECT_EQ(made.error().kind, ErrorKind::kInvalid)
        << text.substr(0, 200) << made.error().message;
    EXPECT_EQ(made.error().param, "field");
    EXPECT_TRUE(made.error().message.starts_with("field")) << made.error().message;
  }
}

// In words about the schema, with the path in the request in front.
TEST(GrammarCompiler, SaysWhichPartOfASchemaCannotBeHonoured) {
  const std::vector<std::pair<std::string, std::string>> refused = {
      {R"({"properties":{"a":{"not":{"type":"string"}}}})",
       R"(f.schema.properties.a.not: "not" is not supported.)"},
      {R"({"items":{"anyOf":[true,{"uniqueItems":true}]}})",
       R"(f.schema.items.anyOf[1].uniqueItems: "uniqueItems" is not supported.)"},
      {R"({"$ref":"#/$defs/a b","$defs":{"a b":{"type":"text"}}})",
       R"(f.schema.$defs["a b"].type: "text" is no type of JSON.)"},
      {R"({"type":"string","pattern":"(a"})",
       R"(f.schema.pattern: the pattern "(a" cannot be followed: it is no regular expression, or has a part that is not supported.)"},
      {R"({"type":"object","required":["a"],"additionalProperties":false})",
       R"(f.schema: nothing satisfies the schema: the required property "a" is not possible.)"},
  };
  for (const auto& [schema, message] : refused) {
    const auto made = demo_compiler().compile(
        {.kind = GrammarKind::kJsonSchema, .text = schema, .places = {.list = {{"f.schema"}}}},
        "f");
    ASSERT_FALSE(made.ok()) << schema;
    EXPECT_EQ(made.error().message, message);
    EXPECT_EQ(made.error().param, "f");
  }
}

// References are pointers within URIs: both kinds of escapes, and any place inside the schema.
TEST(Grammar, ReferencesNameAnyPlaceOfTheSchema) {
  const std::string parts =
      R"("definitions":{"Box<string>":{"const":1},"a/b":{"const":2},"t~t":{"const":3},"per%cent":{"const":4},"x":{"$anchor":"here","const":5}},)"
      R"("$defs":{"list":{"prefixItems":[{"const":6}]},"id":{"$id":"https://example.com/six","const":7}})";
  const std::vector<std::pair<std::string, std::string>> references = {
      {"#/definitions/Box%3Cstring%3E", "1"},
      {"#/definitions/Box<string>", "1"},
      {"#/definitions/a~1b", "2"},
      {"#/definitions/t~0t", "3"},
      {"#/definitions/per%25cent", "4"},
      {"#here", "5"},
      {"#/$defs/list/prefixItems/0", "6"},
      {"#/%24defs/list/prefixItems/0", "6"},
      {"https://example.com/six", "7"},
      {"#/properties/v", R"({"v":8})"},
  };
  for (const auto& [reference, value] : references) {
    const auto grammar = compile(
        GrammarKind::kJsonSchema,
        R"({"properties":{"v":{"const":{"v":8}}},"anyOf":[{"type":"object","required":["r"],"additionalProperties":false,"properties":{"r":{"$ref":")" +
            reference + R"("}}}],)" + parts + "}");
    EXPECT_TRUE(accepts(grammar, R"({"r":)" + value + "}")) << reference;
    EXPECT_FALSE(accepts(grammar, R"({"r":"other"})")) << reference;
  }
}

// A comma may not come where nothing can follow it, however much it is favoured.
TEST(Grammar, NoWayLeadsToADeadEnd) {
  const std::vector<std::string> schemas = {
      R"({"type":"object","properties":{"a":{"type":"integer","minimum":0,"maximum":99}},"required":["a"],"additionalProperties":false,"patternProperties":{"^a$":{"type":"integer"}}})",
      R"({"type":"object","patternProperties":{"^(a|b+|c[de]{3,4})$":{"type":"null"}},"additionalProperties":false,"minProperties":3})",
      R"({"type":"object","additionalProperties":{"type":"boolean"},"minProperties":2,"maxProperties":3})",
      R"({"type":"object","properties":{"all":{"$ref":"#/$defs/again"},"x":{"type":"null"}},"additionalProperties":false,"$defs":{"again":{"type":"object","properties":{"again":{"$ref":"#/$defs/again"}},"required":["again"]}}})",
  };
  const uint64_t seed = 20260606;
  std::mt19937_64 rng(seed);
  for (const std::string& schema : schemas) {
    const auto grammar = compile(GrammarKind::kJsonSchema, schema);
    int finished = 0;
    for (const std::string favoured : {",", "\"", "{", "}", "0123456789", " \n", ",\"a"})
      for (int i = 0; i < 4; ++i) {
        const test::Walk walk =
            test::favoured_walk(*grammar, test::demo(), demo_eos(), favoured, 200, rng);
        ASSERT_NE(walk.end, test::Walk::End::kDead) << schema << " " << walk.text << seed;
        if (walk.end == test::Walk::End::kFinished) {
          ++finished;
          EXPECT_TRUE(Json::accept(walk.text)) << walk.text;
        }
      }
    EXPECT_GT(finished, 0) << schema << " seed " << seed;
  }
}

TEST(Grammar, NoKeyComesTwice) {
  const auto grammar =
      compile(GrammarKind::kJsonSchema,
              R"({"type":"object","additionalProperties":{"type":["integer","object"]}})");
  EXPECT_TRUE(accepts(grammar, R"({"a":1,"b":{"a":1}})"));
  EXPECT_FALSE(accepts(grammar, R"({"a":1,"a":2})"));
  EXPECT_FALSE(accepts(grammar, R"({"b":{"c":1,"d":2,"c":{}}})"));
}

TEST(GrammarCompiler, HonoursWhatOnlyLooksBad) {
  for (const char* schema :
       {R"({"type":"string","pattern":"^(a+)+b$"})", R"({"type":"array","maxItems":1000000000})",
        "true", "{}",
        R"({"type":"object","properties":{"next":{"$ref":"#"}},"additionalProperties":false})"})
    EXPECT_NE(compile(GrammarKind::kJsonSchema, schema), nullptr) << schema;
}

TEST(GrammarCompiler, ACompilationThatTakesTooLongIsGivenUp) {
  const auto made =
      compiler(test::demo(), {demo_eos()}, {.cpu_time = Duration::zero(), .max_running = 1000});
  // Whichever comes first, the thread or the look at its clock: both are right, and nothing is
  // lost.
  for (int i = 0; i < 20; ++i) {
    const auto result =
        made->compile({GrammarKind::kRegex, "a{" + std::to_string(i + 1) + "}"}, "field");
    if (!result.ok()) {
      EXPECT_EQ(result.error().code, "grammar_too_complex");
    }
  }
  const auto never =
      compiler(test::demo(), {demo_eos()}, {.max_running = 0, .max_wait = Duration::zero()});
  EXPECT_EQ(never->compile({GrammarKind::kRegex, "a"}, "field").error().kind, ErrorKind::kBusy);
}

TEST(GrammarCompiler, KeepsAFewGrammars) {
  const auto made = compiler(test::demo(), {demo_eos()}, {.max_cached = 3});
  const auto get = [&](int i) {
    return made->compile({GrammarKind::kRegex, "a{" + std::to_string(i) + "}"}, "field").value();
  };
  const auto first = get(1);
  EXPECT_EQ(get(1), first);
  get(2), get(3);
  EXPECT_EQ(get(1), first);  // 2 is now the oldest
  get(4);
  EXPECT_EQ(made->num_cached(), 3u);
  EXPECT_EQ(get(1), first);
  for (int i = 10; i < 30; ++i) get(i);
  EXPECT_EQ(made->num_cached(), 3u);
  EXPECT_NE(get(1), first);
}

// Every text that the masks allow is JSON of the type that was asked for (tests/e2e compares with a
// validator).
TEST(Grammar, RandomWalksAreWhatTheSchemaSays) {
  const auto grammar = compile(
      GrammarKind::kJsonSchema,
      R"({"type":"object","properties":{"s":{"type":"string","maxLength":6},"n":{"type":"integer","minimum":-5,"maximum":12},
      "e":{"enum":["x",null,true]},"l":{"type":"array","items":{"type":"boolean"},"maxItems":3}},"required":["s","n","e","l"],"additionalProperties":false})");
  const uint64_t seed = 20260101;
  std::mt19937_64 rng(seed);
  int finished = 0;
  for (int i = 0; i < 40; ++i) {
    const std::optional<std::string> text =
        test::random_walk(*grammar, test::demo(), demo_eos(), 400, rng);
    if (!text) continue;
    ++finished;
    const Json json = Json::parse(*text, nullptr, false);
    ASSERT_TRUE(json.is_object()) << *text << " seed " << seed;
    EXPECT_TRUE(json["s"].is_string() && json["n"].is_number_integer() && json["l"].is_array())
        << *text;
    EXPECT_TRUE(json["n"] >= -5 && json["n"] <= 12 && json["l"].size() <= 3) << *text;
  }
  EXPECT_GT(finished, 30) << "seed " << seed;
}

}  // namespace
}  // namespace ember
