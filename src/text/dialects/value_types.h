// SPDX-License-Identifier: Apache-2.0
// Values that a dialect writes without saying what they are: strings as they are, everything else
// as JSON. Which one a text is follows from the parameter's schema.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace ember {

// What a schema makes of a text.
struct ValueTypes {
  enum : uint8_t { kNull = 1, kBoolean = 2, kInteger = 4, kNumber = 8, kObject = 16, kArray = 32 };
  static constexpr uint8_t kAll = 63;

  // A text may be a string. It is another value where it is the JSON of one that the schema allows.
  bool string = false;
  uint8_t others = 0;
  // For grammars: the schemas of the strings, and those of objects and arrays. A schema whose
  // values are all written as JSON, strings too, has neither.
  std::vector<nlohmann::ordered_json> strings = {}, structures = {};

  // Nothing but strings.
  bool only_string() const { return string && others == 0; }
};

// `root` is the document that references in the schema refer to. References, anyOf and oneOf,
// allOf of one schema and lists of types are taken apart. A schema that says nothing allows any
// text. Of one that cannot be told apart so, strings are written as JSON too.
ValueTypes value_types(const nlohmann::ordered_json& schema, const nlohmann::ordered_json& root);

// The JSON of the value that a text stands for. What is no JSON is a string, whatever the schema
// says.
std::string value_of_text(const ValueTypes& types, std::string_view text);

// The inside of a JSON string, byte by byte.
std::string json_escaped(std::string_view text);

// A reference within the document, followed; null: it leads nowhere.
const nlohmann::ordered_json* follow_reference(const nlohmann::ordered_json& reference,
                                               const nlohmann::ordered_json& root);

}  // namespace ember
