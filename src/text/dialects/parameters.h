// SPDX-License-Identifier: Apache-2.0
// The parameters of a function one by one, for dialects that write them so.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace ember {

struct Parameter {
  std::string name;
  nlohmann::ordered_json schema;
  bool required = false;
};

// The declared parameters in the schema's order, then those that are required and not declared. A
// schema with alternatives of objects gives a list for each, otherwise there is one list. Other
// parameters are never needed, so whatever is made of a list is valid; minProperties and
// maxProperties make some required, or leave some out.
std::vector<std::vector<Parameter>> parameter_lists(const nlohmann::ordered_json& root);

// The schema of a parameter; one that is not declared may be anything, or what
// additionalProperties says.
nlohmann::ordered_json parameter_schema(const nlohmann::ordered_json& root, std::string_view name);

// A schema from inside `root` that stands alone: references in it still lead to their targets.
nlohmann::ordered_json standing_alone(const nlohmann::ordered_json& schema,
                                      const nlohmann::ordered_json& root);

}  // namespace ember
