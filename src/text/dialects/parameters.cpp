// SPDX-License-Identifier: Apache-2.0
#include "dialects/parameters.h"

#include <fmt/format.h>

#include <algorithm>

#include "dialects/value_types.h"

namespace ember {

namespace {

using Json = nlohmann::ordered_json;

constexpr int kMaxDepth = 8;      // of references and alternatives within each other
constexpr size_t kMaxLists = 32;  // alternatives of one function
constexpr const char* kRoot = "ember_root";

// What `more` says is said in addition.
void merge(Json& schema, const Json& more) {
  for (const auto& [key, value] : more.items()) {
    if (key == "properties" && value.is_object() && schema.contains(key) &&
        schema[key].is_object()) {
      for (const auto& [name, property] : value.items()) {
        Json& known = schema[key][name];
        known =
            known.is_null() || known == property ? property : Json{{"allOf", {known, property}}};
      }
    } else if (key == "required" && value.is_array() && schema.contains(key) &&
               schema[key].is_array()) {
      for (const Json& name : value) schema[key].push_back(name);
    } else {
      schema[key] = value;
    }
  }
}

// Each list of alternatives is replaced by one of its members, and references by their targets.
void collect_objects(Json schema, const Json& root, int depth, std::vector<Json>& objects) {
  if (objects.size() >= kMaxLists || depth > kMaxDepth || !schema.is_object()) return;
  if (schema.contains("$ref")) {
    const Json* target = follow_reference(schema["$ref"], root);
    schema.erase("$ref");
    if (target != nullptr) merge(schema, *target);
    return collect_objects(std::move(schema), root, depth + 1, objects);
  }
  if (schema.contains("allOf") && schema["allOf"].is_array()) {
    const Json all = schema["allOf"];
    schema.erase("allOf");
    for (const Json& one : all) {
      const Json* target =
          one.is_object() && one.contains("$ref") ? follow_reference(one["$ref"], root) : &one;
      if (target != nullptr && target->is_object()) merge(schema, *target);
    }
    return collect_objects(std::move(schema), root, depth + 1, objects);
  }
  for (const char* key : {"anyOf", "oneOf"}) {
    if (!schema.contains(key) || !schema[key].is_array()) continue;
    const Json alternatives = schema[key];
    schema.erase(key);
    for (const Json& one : alternatives) {
      Json merged = schema;
      if (one.is_object()) merge(merged, one);
      collect_objects(std::move(merged), root, depth + 1, objects);
    }
    return;
  }
  objects.push_back(std::move(schema));
}

std::vector<Json> objects_of(const Json& root) {
  std::vector<Json> objects;
  collect_objects(root, root, 0, objects);
  if (objects.empty()) objects.push_back(Json::object());
  return objects;
}

bool declares(const Json& object, std::string_view name) {
  return object.contains("properties") && object["properties"].is_object() &&
         object["properties"].contains(name);
}

Json other_schema(const Json& object) {
  const bool told =
      object.contains("additionalProperties") && object["additionalProperties"].is_object();
  return told ? object["additionalProperties"] : Json::object();
}

size_t count_of(const Json& object, const char* key, size_t otherwise) {
  return object.contains(key) && object[key].is_number_unsigned() ? object[key].get<size_t>()
                                                                  : otherwise;
}

// So many that the limits of the object are kept.
void keep_limits(const Json& object, std::vector<Parameter>& list) {
  auto required = static_cast<size_t>(
      std::count_if(list.begin(), list.end(), [](const Parameter& p) { return p.required; }));
  const size_t least = count_of(object, "minProperties", 0);
  for (Parameter& parameter : list)
    if (!parameter.required && required < least) {
      parameter.required = true;
      ++required;
    }
  size_t room = count_of(object, "maxProperties", list.size());
  room -= std::min(room, required);
  std::erase_if(list, [&](const Parameter& parameter) {
    if (parameter.required) return false;
    if (room == 0) return true;
    --room;
    return false;
  });
}

std::vector<Parameter> list_of(const Json& object) {
  std::vector<Parameter> list;
  const Json required = object.contains("required") && object["required"].is_array()
                            ? object["required"]
                            : Json::array();
  if (object.contains("properties") && object["properties"].is_object())
    for (const auto& [name, schema] : object["properties"].items()) {
      const bool needed = std::find(required.begin(), required.end(), Json(name)) != required.end();
      // What may not be given at all is left out.
      if (needed || schema != Json(false)) list.push_back({name, schema, needed});
    }
  for (const Json& name : required)
    if (name.is_string() && std::none_of(list.begin(), list.end(),
                                         [&](const Parameter& p) { return Json(p.name) == name; }))
      list.push_back({name.get<std::string>(), other_schema(object), true});
  keep_limits(object, list);
  return list;
}

// References from the document's root go to where the root is kept.
void move_references(Json& schema) {
  if (schema.is_array())
    for (Json& item : schema) move_references(item);
  if (!schema.is_object()) return;
  for (auto& [key, value] : schema.items()) {
    const bool inside =
        key == "$ref" && value.is_string() && value.get_ref<const std::string&>().starts_with('#');
    if (inside)
      value = fmt::format("#/$defs/{}{}", kRoot, value.get<std::string>().substr(1));
    else
      move_references(value);
  }
}

}  // namespace

std::vector<std::vector<Parameter>> parameter_lists(const Json& root) {
  std::vector<std::vector<Parameter>> lists;
  for (const Json& object : objects_of(root)) lists.push_back(list_of(object));
  return lists;
}

Json parameter_schema(const Json& root, std::string_view name) {
  Json otherwise = Json::object();
  for (const Json& object : objects_of(root)) {
    if (declares(object, name)) return object["properties"][std::string(name)];
    otherwise = other_schema(object);
  }
  return otherwise;
}

Json standing_alone(const Json& schema, const Json& root) {
  Json moved = schema;
  move_references(moved);
  if (moved == schema || !moved.is_object()) return schema;
  Json kept = root;
  move_references(kept);
  moved["$defs"][kRoot] = std::move(kept);
  return moved;
}

}  // namespace ember
