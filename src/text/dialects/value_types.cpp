// SPDX-License-Identifier: Apache-2.0
#include "dialects/value_types.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <optional>

#include "scan.h"

namespace ember {

namespace {

using Json = nlohmann::ordered_json;

constexpr int kMaxDepth = 16;  // of references and alternatives within each other

bool has_any(const Json& schema, std::initializer_list<const char*> keys) {
  return std::any_of(keys.begin(), keys.end(),
                     [&](const char* key) { return schema.contains(key); });
}

// Words that say nothing about the value.
bool is_annotation(std::string_view key) {
  static constexpr std::string_view kWords[] = {
      "title",     "description", "default",  "examples", "example",     "deprecated", "readOnly",
      "writeOnly", "nullable",    "$comment", "$defs",    "definitions", "$schema",    "$id"};
  return key.starts_with("x-") ||
         std::find(std::begin(kWords), std::end(kWords), key) != std::end(kWords);
}

// Whether the schema constrains its value by nothing but these keys.
bool says_only(const Json& schema, std::initializer_list<std::string_view> keys) {
  return std::all_of(schema.items().begin(), schema.items().end(), [&](const auto& item) {
    return is_annotation(item.key()) ||
           std::find(keys.begin(), keys.end(), std::string_view(item.key())) != keys.end();
  });
}

std::optional<uint8_t> bit_of(const std::string& type) {
  if (type == "null") return ValueTypes::kNull;
  if (type == "boolean") return ValueTypes::kBoolean;
  if (type == "integer") return ValueTypes::kInteger;
  if (type == "number") return ValueTypes::kInteger | ValueTypes::kNumber;
  if (type == "object") return ValueTypes::kObject;
  if (type == "array") return ValueTypes::kArray;
  return std::nullopt;
}

// Takes a schema apart. Each function returns false where that is not possible.
class Parts {
 public:
  explicit Parts(const Json& root) : root_(root) {}

  ValueTypes types;
  bool constrained_scalar = false;  // a number or so of which not every value is allowed

  bool add(const Json& schema, int depth) {
    if (depth > kMaxDepth || (!schema.is_object() && schema != Json(true))) return false;
    if (!schema.is_object() || says_only(schema, {})) return add_anything();
    if (schema.contains("$ref")) {
      const Json* target =
          says_only(schema, {"$ref"}) ? follow_reference(schema["$ref"], root_) : nullptr;
      return target != nullptr && add(*target, depth + 1);
    }
    for (const char* key : {"anyOf", "oneOf", "allOf"})
      if (schema.contains(key))
        return says_only(schema, {key}) && add_each(schema[key], key, depth);
    if (has_any(schema, {"not", "if", "then", "else"})) return false;
    if (schema.contains("const")) return add_values(Json::array({schema["const"]}));
    if (schema.contains("enum")) return schema["enum"].is_array() && add_values(schema["enum"]);
    return add_by_type(schema);
  }

 private:
  bool add_anything() {
    types.string = true;
    types.others |= ValueTypes::kAll;
    types.strings.push_back(Json::object());
    return true;
  }

  bool add_each(const Json& schemas, std::string_view key, int depth) {
    if (!schemas.is_array() || schemas.empty() || (key == "allOf" && schemas.size() > 1))
      return false;
    return std::all_of(schemas.begin(), schemas.end(),
                       [&](const Json& schema) { return add(schema, depth + 1); });
  }

  bool add_values(const Json& values) {
    Json strings = Json::array();
    for (const Json& value : values) {
      if (value.is_string())
        strings.push_back(value);
      else if (value.is_null())
        types.others |= ValueTypes::kNull;
      else
        add_constrained(value.is_object()    ? ValueTypes::kObject
                        : value.is_array()   ? ValueTypes::kArray
                        : value.is_boolean() ? ValueTypes::kBoolean
                                             : ValueTypes::kInteger | ValueTypes::kNumber);
    }
    if (strings.empty()) return true;
    types.string = true;
    types.strings.push_back({{"enum", std::move(strings)}});
    return true;
  }

  void add_constrained(int bits) {
    types.others |= static_cast<uint8_t>(bits);
    constrained_scalar = true;
  }

  bool add_by_type(const Json& schema) {
    const Json type = schema.contains("type") ? schema["type"] : guessed_type(schema);
    if (type.is_string()) return add_one_type(schema, type.get<std::string>());
    return type.is_array() && std::all_of(type.begin(), type.end(), [&](const Json& one) {
             return one.is_string() && add_one_type(schema, one.get<std::string>());
           });
  }

  // A schema without a type allows values of the others too. One that is fit for its words is
  // enough.
  static Json guessed_type(const Json& schema) {
    if (has_any(schema, {"properties", "required", "additionalProperties"})) return "object";
    if (has_any(schema, {"items", "prefixItems"})) return "array";
    if (has_any(schema, {"pattern", "minLength", "maxLength", "format"})) return "string";
    if (has_any(schema, {"minimum", "maximum", "multipleOf"})) return "number";
    return nullptr;
  }

  bool add_one_type(const Json& schema, const std::string& type) {
    if (type == "string") {
      types.string = true;
      types.strings.push_back(schema);
      return true;
    }
    const std::optional<uint8_t> bits = bit_of(type);
    if (!bits) return false;
    types.others |= *bits;
    if (type == "object" || type == "array") {
      Json one = schema;
      one["type"] = type;
      types.structures.push_back(std::move(one));
    } else if (has_any(schema, {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
                                "multipleOf"})) {
      constrained_scalar = constrained_scalar || *bits >= ValueTypes::kInteger;
    }
    return true;
  }

  const Json& root_;
};

uint8_t type_of_json(std::string_view json) {
  switch (json.front()) {
    case '{':
      return ValueTypes::kObject;
    case '[':
      return ValueTypes::kArray;
    case 't':
    case 'f':
      return ValueTypes::kBoolean;
    case 'n':
      return ValueTypes::kNull;
    default:
      return json.find_first_of(".eE") == std::string_view::npos ? ValueTypes::kInteger
                                                                 : ValueTypes::kNumber;
  }
}

// Models that have read much Python write its words.
std::string_view word_of_python(std::string_view text, uint8_t types) {
  if ((types & ValueTypes::kBoolean) != 0 && text == "True") return "true";
  if ((types & ValueTypes::kBoolean) != 0 && text == "False") return "false";
  if ((types & ValueTypes::kNull) != 0 && text == "None") return "null";
  return {};
}

}  // namespace

const Json* follow_reference(const Json& reference, const Json& root) {
  if (!reference.is_string()) return nullptr;
  const auto text = reference.get<std::string>();
  if (!text.starts_with('#')) return nullptr;
  try {
    const Json::json_pointer pointer(text.substr(1));
    return root.contains(pointer) ? &root.at(pointer) : nullptr;
  } catch (const Json::exception&) {
    return nullptr;  // no pointer
  }
}

ValueTypes value_types(const Json& schema, const Json& root) {
  Parts parts(root);
  const bool told = parts.add(schema, 0);
  const bool mixed_with_constrained = parts.types.string && parts.constrained_scalar;
  if (!told || mixed_with_constrained) return {.others = ValueTypes::kAll};
  return std::move(parts.types);
}

std::string value_of_text(const ValueTypes& types, std::string_view text) {
  const size_t begin = scan::skip_space(text, 0);
  const std::string_view trimmed =
      text.substr(begin, std::max(begin, scan::trim_end(text, text.size())) - begin);
  if (types.others != 0 && !trimmed.empty()) {
    const bool quoted = trimmed.front() == '"';
    const bool fits =
        quoted ? !types.string : (!types.string || (type_of_json(trimmed) & types.others) != 0);
    if (fits && Json::accept(trimmed)) return std::string(trimmed);
    if (const std::string_view word = word_of_python(trimmed, types.others);
        !types.string && !word.empty())
      return std::string(word);
  }
  return '"' + json_escaped(text) + '"';
}

std::string json_escaped(std::string_view text) {
  std::string escaped;
  escaped.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      escaped += {'\\', c};
    else if (c == '\n')
      escaped += "\\n";
    else if (c == '\t')
      escaped += "\\t";
    else if (c == '\r')
      escaped += "\\r";
    else if (byte < 0x20)
      escaped += fmt::format("\\u{:04x}", byte);
    else
      escaped += c;
  }
  return escaped;
}

}  // namespace ember
