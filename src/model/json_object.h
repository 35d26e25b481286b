// SPDX-License-Identifier: Apache-2.0
// A JSON object in a file, read with types and bounds: every fault is a StartError(kBadModel) that
// names file and field.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace ember {

[[noreturn]] void bad_model(const std::filesystem::path& file, const std::string& what);

class JsonObject {
 public:
  // The whole file: at most 16 MiB, at most 64 deep, an object.
  static JsonObject read(const std::filesystem::path& file);
  // The file's own names of fields, where they differ. Key: the field's name with all prefixes.
  using Spellings = std::map<std::string, std::string>;
  JsonObject(std::filesystem::path file, std::string prefix, nlohmann::json json,
             std::shared_ptr<const Spellings> spellings = nullptr);

  const std::filesystem::path& file() const { return file_; }
  bool has(const std::string& name) const;  // and is not null
  const nlohmann::json& json() const { return json_; }
  // Other fields, called and found where these are.
  JsonObject with(nlohmann::json json) const;

  int64_t integer(const std::string& name, int64_t low, int64_t high,
                  std::optional<int64_t> default_value = std::nullopt) const;
  double number(const std::string& name, double low, double high,
                std::optional<double> default_value = std::nullopt) const;
  bool boolean(const std::string& name, bool default_value) const;
  std::string text(const std::string& name, const std::string& default_value) const;
  std::vector<std::string> texts(const std::string& name) const;  // empty: absent
  std::vector<int64_t> integers(
      const std::string& name) const;  // of a number or a list of numbers; empty: absent
  std::vector<double> numbers(const std::string& name, double low,
                              double high) const;  // of a list; empty: absent
  std::optional<JsonObject> object(const std::string& name) const;
  // The names of the fields of object(name) in the order of the file, which is read again: JSON's
  // objects have none of their own.
  std::vector<std::string> ordered_names(const std::string& name) const;

  // The field with all prefixes, as messages name it.
  std::string path_of(const std::string& name) const;
  [[noreturn]] void refuse(const std::string& name, const std::string& expected) const;

 private:
  std::filesystem::path file_;
  std::string prefix_;
  nlohmann::json json_;
  std::shared_ptr<const Spellings> spellings_;
};

}  // namespace ember
