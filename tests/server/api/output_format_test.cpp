// SPDX-License-Identifier: Apache-2.0
#include "api/output_format.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace ember {
namespace {

// What a request body asks for; the error of a bad one, named by its field.
struct Read {
  std::optional<OutputFormat> format;
  std::string field, message;
};

Read read(const std::string& body) {
  const Json json = Json::parse(body);
  FieldReader fields(json);
  Read result;
  result.format = read_output_format(fields);
  if (!fields.ok()) {
    result.field = fields.error().param;
    result.message = fields.error().message;
  }
  return result;
}

TEST(OutputFormat, ReadsEveryWayToAsk) {
  const auto expect = [](const std::string& body, GrammarKind kind, const std::string& text,
                         const std::string& field) {
    const Read r = read(body);
    ASSERT_TRUE(r.format) << body << r.message;
    EXPECT_EQ(r.field, "") << r.message;
    EXPECT_EQ(r.format->source, (GrammarSource{kind, text})) << r.format->source.text;
    EXPECT_EQ(r.format->field, field);
  };
  const std::string any = R"({"type":"object"})", schema = R"({"b":1,"a":2})";
  expect(R"({"response_format":{"type":"json_object"}})", GrammarKind::kJsonSchema, any,
         "response_format");
  expect(R"({"response_format":{"type":"json_object","schema":{"b":1,"a":2}}})",
         GrammarKind::kJsonSchema, schema, "response_format");
  expect(
      R"({"response_format":{"type":"json_schema","json_schema":{"name":"x-1","strict":true,"schema":{"b":1,"a":2}}}})",
      GrammarKind::kJsonSchema, schema, "response_format");
  expect(R"({"structured_outputs":{"json":{"b":1,"a":2}}})", GrammarKind::kJsonSchema, schema,
         "structured_outputs");
  expect(R"({"structured_outputs":{"json":"{\"b\":1,\"a\":2}"}})", GrammarKind::kJsonSchema, schema,
         "structured_outputs");
  expect(R"({"structured_outputs":{"json_object":true,"regex":null}})", GrammarKind::kJsonSchema,
         any, "structured_outputs");
  expect(R"({"structured_outputs":{"regex":"a+"}})", GrammarKind::kRegex, "a+",
         "structured_outputs");
  expect(R"({"structured_outputs":{"grammar":"start: \"a\""}})", GrammarKind::kLark, "start: \"a\"",
         "structured_outputs");
  expect(R"({"structured_outputs":{"choice":["a\"b","\u007f"]}})", GrammarKind::kLark,
         R"(start: "a\"b" | "\u007f")", "structured_outputs");
  expect(R"({"guided_json":{"b":1,"a":2}})", GrammarKind::kJsonSchema, schema, "guided_json");
  expect(R"({"guided_regex":"a"})", GrammarKind::kRegex, "a", "guided_regex");
  expect(R"({"guided_choice":["a"]})", GrammarKind::kLark, "start: \"a\"", "guided_choice");
  expect(R"({"guided_grammar":"start: \"a\""})", GrammarKind::kLark, "start: \"a\"",
         "guided_grammar");
}

TEST(OutputFormat, TextIsFree) {
  for (const char* body :
       {"{}", R"({"response_format":null})", R"({"response_format":{"type":"text"}})",
        R"({"response_format":{"type":"text"},"guided_json":null})"}) {
    const Read r = read(body);
    EXPECT_FALSE(r.format) << body;
    EXPECT_EQ(r.field, "") << r.message;
  }
}

TEST(OutputFormat, FaultsNameTheField) {
  const std::string big(70000, 'a');
  const std::vector<std::pair<std::string, std::string>> bad = {
      {R"({"response_format":5})", "response_format"},
      {R"({"response_format":{"type":"sound"}})", "response_format"},
      {R"({"response_format":{"type":"json_object","schema":123}})", "response_format"},
      {R"({"response_format":{"type":"json_schema"}})", "response_format"},
      {R"({"response_format":{"type":"json_schema","json_schema":{"schema":{}}}})",
       "response_format.json_schema.name"},
      {R"({"response_format":{"type":"json_schema","json_schema":{"name":"a b","schema":{}}}})",
       "response_format.json_schema.name"},
      {R"({"response_format":{"type":"json_schema","json_schema":{"name":"a"}}})",
       "response_format.json_schema.schema"},
      {R"({"response_format":{"type":"json_schema","json_schema":{"name":"a","schema":[1]}}})",
       "response_format.json_schema.schema"},
      {R"({"response_format":{"type":"json_schema","json_schema":{"name":"a","strict":1,"schema":{}}}})",
       "response_format.json_schema.strict"},
      {R"({"structured_outputs":[]})", "structured_outputs"},
      {R"({"structured_outputs":{}})", "structured_outputs"},
      {R"({"structured_outputs":{"json":{},"regex":"a"}})", "structured_outputs"},
      {R"({"structured_outputs":{"json":5}})", "structured_outputs.json"},
      {R"({"structured_outputs":{"json":"{"}})", "structured_outputs.json"},
      {R"({"structured_outputs":{"regex":5}})", "structured_outputs.regex"},
      {R"({"structured_outputs":{"regex":""}})", "structured_outputs.regex"},
      {R"({"structured_outputs":{"choice":"a"}})", "structured_outputs.choice"},
      {R"({"structured_outputs":{"choice":[]}})", "structured_outputs.choice"},
      {R"({"structured_outputs":{"choice":["a",""]}})", "structured_outputs.choice"},
      {R"({"structured_outputs":{"choice":["a",1]}})", "structured_outputs.choice"},
      {R"({"structured_outputs":{"json_object":"yes"}})", "structured_outputs.json_object"},
      {R"({"structured_outputs":{"structural_tag":"x","regex":"a"}})",
       "structured_outputs.structural_tag"},
      {R"({"guided_regex":5})", "guided_regex"},
      {R"({"guided_json":{},"guided_regex":"a"})", "guided_regex"},
      {R"({"response_format":{"type":"json_object"},"structured_outputs":{"regex":"a"}})",
       "structured_outputs"},
      {R"({"guided_regex":"a","allowed_token_ids":[1]})", "allowed_token_ids"},
      {R"({"guided_json":{"title":")" + big + "\"}}", "guided_json"},
      {R"({"guided_regex":")" + big + "\"}", "guided_regex"},
      {R"({"guided_grammar":")" + big + "\"}", "guided_grammar"},
      {R"({"guided_choice":[")" + big + "\"]}", "guided_choice"},
  };
  for (const auto& [body, field] : bad) {
    const Read r = read(body);
    EXPECT_EQ(r.field, field) << body.substr(0, 100);
    EXPECT_TRUE(r.message.starts_with(field)) << r.message;
  }
}

}  // namespace
}  // namespace ember
