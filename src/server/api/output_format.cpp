// SPDX-License-Identifier: Apache-2.0
#include "api/output_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

namespace ember {

namespace {

constexpr size_t kMaxSchemaBytes = 64 << 10, kMaxRegexBytes = 8 << 10, kMaxGrammarBytes = 16 << 10,
                 kMaxChoices = 1024;

// A part of the format, its fault or nothing.
using Source = Result<GrammarSource>;

Error fault(const std::string& field, const std::string& message,
            const char* code = "invalid_value") {
  return invalid(field, field + " " + message, code);
}

Source text_source(const Json& value, GrammarKind kind, size_t max_bytes,
                   const std::string& field) {
  if (!value.is_string())
    return fault(field, fmt::format("must be a string, not {}.", type_name(value)), "invalid_type");
  const auto& text = value.get_ref<const std::string&>();
  if (text.empty() || text.size() > max_bytes)
    return fault(field, fmt::format("must be 1 to {} bytes long.", max_bytes));
  return GrammarSource{kind, text};
}

// One of some strings: a rule of literals, which Lark writes as JSON does.
Source choice_source(const Json& choices, const std::string& field) {
  const std::string expected =
      fmt::format("must be a list of 1 to {} strings of {} bytes in all, none of them empty.",
                  kMaxChoices, kMaxSchemaBytes);
  if (!choices.is_array()) return fault(field, expected, "invalid_type");
  if (choices.empty() || choices.size() > kMaxChoices) return fault(field, expected);
  std::string rule;
  for (const Json& choice : choices) {
    if (!choice.is_string()) return fault(field, expected, "invalid_type");
    if (choice.get_ref<const std::string&>().empty()) return fault(field, expected);
    rule += rule.empty() ? "start: " : " | ";
    for (const char c : choice.dump()) {
      if (c == '\x7F')
        rule += "\\u007f";
      else
        rule += c;
    }
    if (rule.size() > kMaxSchemaBytes) return fault(field, expected);
  }
  return GrammarSource{GrammarKind::kLark, std::move(rule)};
}

// By the name of the member of structured_outputs, and of the older field after "guided_".
Source source_of(const std::string& name, const Json& value, const std::string& field) {
  if (name == "json") return schema_source(value, field);
  if (name == "regex") return text_source(value, GrammarKind::kRegex, kMaxRegexBytes, field);
  if (name == "choice") return choice_source(value, field);
  if (name == "grammar") return text_source(value, GrammarKind::kLark, kMaxGrammarBytes, field);
  return any_object_source();
}

bool is_name(const Json& value) {
  if (!value.is_string()) return false;
  const auto& name = value.get_ref<const std::string&>();
  return !name.empty() && name.size() <= 64 &&
         std::all_of(name.begin(), name.end(),
                     [](unsigned char c) { return std::isalnum(c) != 0 || c == '_' || c == '-'; });
}

// nullopt: plain text.
Result<std::optional<GrammarSource>> response_format(const Json& format) {
  const std::string field = "response_format";
  if (!format.is_object() || !format.contains("type") || !format["type"].is_string())
    return unknown_format(field);
  const auto& type = format["type"].get_ref<const std::string&>();
  if (type == "text") return std::optional<GrammarSource>();
  Source source = any_object_source();
  if (type == "json_object") {
    if (format.contains("schema") && !format["schema"].is_object())
      return fault(field, "has a schema that is no object.");
    if (format.contains("schema")) source = schema_source(format["schema"], field + ".schema");
  } else if (type == "json_schema") {
    const auto outer = format.find("json_schema");
    if (outer == format.end() || !outer->is_object())
      return fault(field,
                   "of the type json_schema must hold an object json_schema with name and schema.");
    source = named_schema_source(*outer, field + ".json_schema");
  } else {
    return unknown_format(field);
  }
  if (!source.ok()) return source.error();
  return std::optional(std::move(source).value());
}

Source structured_outputs(const Json& value) {
  const std::string field = "structured_outputs";
  static constexpr const char* kNames[] = {"json", "regex", "choice", "grammar", "json_object"};
  if (!value.is_object())
    return fault(field, fmt::format("must be an object, not {}.", type_name(value)),
                 "invalid_type");
  for (const char* name : {"structural_tag", "whitespace_pattern"})
    if (value.contains(name) && !value[name].is_null())
      return fault(field + "." + name, "is not supported.", "unsupported_parameter");
  std::string given;
  for (const char* name : kNames) {
    if (!value.contains(name) || value[name].is_null() || value[name] == false) continue;
    if (!given.empty())
      return fault(field, fmt::format("must hold one format, not both {} and {}.", given, name));
    given = name;
  }
  if (given.empty()) return fault(field, "must hold json, regex, choice, grammar or json_object.");
  if (given == "json_object" && !value[given].is_boolean())
    return fault(field + ".json_object", "must be true or false.", "invalid_type");
  return source_of(given, value[given], field + "." + given);
}

}  // namespace

Error unknown_format(const std::string& field) {
  return fault(field, "must be an object whose type is text, json_object or json_schema.");
}

GrammarSource any_object_source() {
  return {.kind = GrammarKind::kJsonSchema, .text = R"({"type":"object"})"};
}

Result<GrammarSource> schema_source(const Json& schema, const std::string& field) {
  Json parsed;
  if (schema.is_string()) {
    Result<Json> body = parse_body(schema.get_ref<const std::string&>());
    if (!body.ok())
      return fault(field, "must be a JSON schema: " + body.error().message, "invalid_json");
    parsed = std::move(body).value();
  } else if (schema.is_object() || schema.is_boolean()) {
    parsed = schema;
  } else {
    return fault(field, fmt::format("must be a JSON schema, not {}.", type_name(schema)),
                 "invalid_type");
  }
  std::string text = parsed.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > kMaxSchemaBytes)
    return fault(field, fmt::format("must be at most {} bytes long.", kMaxSchemaBytes));
  return GrammarSource{
      .kind = GrammarKind::kJsonSchema, .text = std::move(text), .places = {.list = {{field}}}};
}

Result<GrammarSource> named_schema_source(const Json& format, const std::string& field) {
  if (!format.contains("name") || !is_name(format["name"]))
    return fault(field + ".name", "must be 1 to 64 letters, digits, _ or -.");
  if (format.contains("strict") && !format["strict"].is_boolean() && !format["strict"].is_null())
    return fault(field + ".strict", "must be true or false.", "invalid_type");
  if (!format.contains("schema")) return fault(field + ".schema", "is missing.");
  return schema_source(format["schema"], field + ".schema");
}

std::optional<OutputFormat> read_output_format(FieldReader& fields) {
  std::optional<OutputFormat> format;
  const auto add = [&](const std::string& field, Source source) {
    if (!source.ok()) return fields.fail(source.error());
    if (format)
      return fields.fail(field, fmt::format("is not possible together with {}.", format->field));
    format = OutputFormat{std::move(source).value(), field};
  };
  if (const Json* value = fields.value("response_format")) {
    Result<std::optional<GrammarSource>> read = response_format(*value);
    if (!read.ok())
      add("response_format", read.error());
    else if (read.value())
      add("response_format", *std::move(read).value());
  }
  if (const Json* value = fields.value("structured_outputs"))
    add("structured_outputs", structured_outputs(*value));
  for (const std::string name : {"json", "regex", "choice", "grammar"})
    if (const Json* value = fields.value("guided_" + name))
      add("guided_" + name, source_of(name, *value, "guided_" + name));
  if (format && fields.has("allowed_token_ids"))
    fields.fail("allowed_token_ids",
                fmt::format("is not possible together with {}.", format->field));
  return format;
}

}  // namespace ember
