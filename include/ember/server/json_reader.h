// SPDX-License-Identifier: Apache-2.0
// Request bodies: JSON parsed with limits, and fields read with types. nlohmann casts silently;
// this does not.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "ember/base/result.h"

namespace ember {

using Json = nlohmann::ordered_json;

// A JSON object. kInvalid: "invalid_json" (also for what parsers read differently: a key that an
// object has twice, anything behind the object), "nesting_too_deep" (64 levels) or "invalid_value"
// (more than about 10,000 keys in one object); names the field that holds the fault; checked before
// anything is built.
Result<Json> parse_body(std::string_view body);
// The same of a text that a model may have written: the last of several equal keys counts.
Result<Json> parse_object(std::string_view text);

// The fields of an object. null is the same as absent. Getters return `default_value` for an absent
// field and after a fault; the first fault is kept. Integers may be written 1.0; nothing else is
// converted.
class FieldReader {
 public:
  // `path` goes before the names in errors, e.g. "messages[0]."
  explicit FieldReader(const Json& object, std::string path = {})
      : object_(object), path_(std::move(path)) {}

  bool has(const std::string& name);  // and not null
  int64_t integer(const std::string& name, int64_t low, int64_t high, int64_t default_value);
  double number(const std::string& name, double low, double high, double default_value);
  bool boolean(const std::string& name, bool default_value);
  std::string text(const std::string& name, size_t max_bytes, const std::string& default_value);
  std::vector<int32_t> ids(const std::string& name, size_t max_count, int32_t vocab_size);
  // A list of strings of 1 to max_bytes bytes. or_one: a string alone is a list of it.
  std::vector<std::string> strings(const std::string& name, size_t max_count, size_t max_bytes,
                                   bool or_one = false);
  const Json* value(const std::string& name);  // null pointer: absent

  // Keeps the fault unless there is one already.
  void fail(const std::string& name, const std::string& message,
            const std::string& code = "invalid_value");
  void fail(Error error);  // with the full name of its field
  bool ok() const { return !error_.has_value(); }
  const Error& error() const { return *error_; }
  // How many fields nobody asked for.
  int num_unknown() const;

  // A hint, without which the answer is as valid: taken whatever it says, and listed below where it
  // says anything.
  void ignore(const std::string& name);
  // The same for what is not one field; `what` is listed as it is, in characters of a header.
  void list_ignored(std::string what);
  const std::vector<std::string>& ignored() const { return ignored_; }

 private:
  const Json& object_;
  const std::string path_;
  std::set<std::string> read_;
  std::optional<Error> error_;
  std::vector<std::string> ignored_;
};

// A number that is an integer, or is written like one with a fraction of zero.
std::optional<int64_t> as_integer(const Json& value);
// A token id in [0, vocab_size).
std::optional<int32_t> as_token_id(const Json& value, int32_t vocab_size);
const char* type_name(const Json& value);
// Whether the object has a member of this name that is a string.
bool is_text(const Json& object, const char* name);
// The "type" of a part of a message, or the like; empty: it has none.
std::string type_of(const Json& part);
// The error that names the field at `path`, which the message begins with.
Error wrong(const std::string& path, const std::string& what,
            const std::string& code = "invalid_type");

}  // namespace ember
