// SPDX-License-Identifier: Apache-2.0
#include "json_object.h"

#include <fmt/format.h>

#include <cmath>
#include <set>
#include <tuple>

#include "ember/base/files.h"
#include "ember/base/json_file.h"
#include "ember/base/start_error.h"

namespace ember {

namespace {

constexpr size_t kMaxBytes = 16 << 20;

// A value as it stands in the file, shortened.
std::string shown(const nlohmann::json& value) {
  if (value.is_structured()) return value.is_array() ? "a list" : "an object";
  const std::string text = value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return text.size() > 64 ? text.substr(0, 64) + "..." : text;
}

}  // namespace

void bad_model(const std::filesystem::path& file, const std::string& what) {
  throw StartError(ExitCode::kBadModel, fmt::format("{}: {}", file.string(), what));
}

JsonObject::JsonObject(std::filesystem::path file, std::string prefix, nlohmann::json json,
                       std::shared_ptr<const Spellings> spellings)
    : file_(std::move(file)),
      prefix_(std::move(prefix)),
      json_(std::move(json)),
      spellings_(std::move(spellings)) {}

JsonObject JsonObject::with(nlohmann::json json) const {
  return {file_, prefix_, std::move(json), spellings_};
}

JsonObject JsonObject::read(const std::filesystem::path& file) {
  Result<nlohmann::json> json = read_json_file(file, kMaxBytes);
  if (!json.ok() && json.error().kind == ErrorKind::kNotFound) bad_model(file, "file is missing");
  if (!json.ok()) throw StartError(ExitCode::kBadModel, json.error().message);
  if (!json.value().is_object())
    bad_model(file, fmt::format("must hold a JSON object, found {}", shown(json.value())));
  return {file, "", std::move(json).value()};
}

bool JsonObject::has(const std::string& name) const {
  const auto found = json_.find(name);
  return found != json_.end() && !found->is_null();
}

std::string JsonObject::path_of(const std::string& name) const {
  const std::string field = prefix_ + name;
  if (spellings_ == nullptr) return field;
  const auto spelling = spellings_->find(field);
  return spelling == spellings_->end() ? field : spelling->second;
}

void JsonObject::refuse(const std::string& name, const std::string& expected) const {
  const std::string found = json_.contains(name) ? shown(json_[name]) : "nothing";
  bad_model(file_, fmt::format("\"{}\": expected {}, found {}", path_of(name), expected, found));
}

int64_t JsonObject::integer(const std::string& name, int64_t low, int64_t high,
                            std::optional<int64_t> default_value) const {
  if (!has(name) && default_value) return *default_value;
  const std::string expected = fmt::format("an integer from {} to {}", low, high);
  if (!has(name) || !json_[name].is_number_integer()) refuse(name, expected);
  const auto& value = json_[name];
  const bool huge =
      value.is_number_unsigned() && value.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX);
  if (huge || value.get<int64_t>() < low || value.get<int64_t>() > high) refuse(name, expected);
  return value.get<int64_t>();
}

double JsonObject::number(const std::string& name, double low, double high,
                          std::optional<double> default_value) const {
  if (!has(name) && default_value) return *default_value;
  if (!has(name) || !json_[name].is_number() ||
      !(json_[name].get<double>() >= low && json_[name].get<double>() <= high))
    refuse(name, fmt::format("a number from {} to {}", low, high));
  return json_[name].get<double>();
}

bool JsonObject::boolean(const std::string& name, bool default_value) const {
  if (!has(name)) return default_value;
  if (!json_[name].is_boolean()) refuse(name, "true or false");
  return json_[name].get<bool>();
}

std::string JsonObject::text(const std::string& name, const std::string& default_value) const {
  if (!has(name)) return default_value;
  if (!json_[name].is_string()) refuse(name, "a string");
  return json_[name].get<std::string>();
}

std::vector<std::string> JsonObject::texts(const std::string& name) const {
  std::vector<std::string> list;
  if (!has(name)) return list;
  if (!json_[name].is_array()) refuse(name, "a list of strings");
  for (const auto& item : json_[name]) {
    if (!item.is_string()) refuse(name, "a list of strings");
    list.push_back(item.get<std::string>());
  }
  return list;
}

std::vector<int64_t> JsonObject::integers(const std::string& name) const {
  if (!has(name)) return {};
  const nlohmann::json list =
      json_[name].is_array() ? json_[name] : nlohmann::json::array({json_[name]});
  std::vector<int64_t> values;
  for (const auto& item : list) {
    if (!item.is_number_integer()) refuse(name, "an integer or a list of integers");
    values.push_back(item.get<int64_t>());
  }
  return values;
}

std::vector<double> JsonObject::numbers(const std::string& name, double low, double high) const {
  if (!has(name)) return {};
  const std::string expected = fmt::format("a list of numbers from {} to {}", low, high);
  if (!json_[name].is_array()) refuse(name, expected);
  std::vector<double> values;
  for (const auto& item : json_[name]) {
    if (!item.is_number() || !(item.get<double>() >= low && item.get<double>() <= high))
      refuse(name, expected);
    values.push_back(item.get<double>());
  }
  return values;
}

std::vector<std::string> JsonObject::ordered_names(const std::string& name) const {
  const std::optional<JsonObject> fields = object(name);
  std::vector<std::string> names, path;
  std::set<std::string> seen;  // a name may stand there twice
  const auto note = [&](int depth, nlohmann::json::parse_event_t event, nlohmann::json& key) {
    if (event != nlohmann::json::parse_event_t::key) return true;
    path.resize(static_cast<size_t>(depth) - 1);  // those of a list have no name
    std::string prefix;
    for (const std::string& outer : path) prefix += outer + ".";
    path.push_back(key.get<std::string>());
    if (fields && prefix == fields->prefix_ && fields->json_.contains(path.back()) &&
        seen.insert(path.back()).second)
      names.push_back(path.back());
    return true;
  };
  const Result<std::string> text = read_text_file(file_, kMaxBytes);
  if (text.ok()) std::ignore = nlohmann::json::parse(text.value(), note, false);
  if (fields && names.size() != fields->json_.size())
    bad_model(file_, fmt::format("\"{}\" changed while it was read", path_of(name)));
  return names;
}

std::optional<JsonObject> JsonObject::object(const std::string& name) const {
  if (!has(name)) return std::nullopt;
  if (!json_[name].is_object()) refuse(name, "an object");
  return JsonObject(file_, prefix_ + name + ".", json_[name], spellings_);
}

}  // namespace ember
