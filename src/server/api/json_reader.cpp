// SPDX-License-Identifier: Apache-2.0
#include "ember/server/json_reader.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <unordered_set>
#include <utility>

namespace ember {

namespace {

constexpr int kMaxDepth = 64;
constexpr size_t kMaxValues = 2'000'000;  // each costs some tens of bytes once it is built
// An object that keeps its order looks at all of its keys for each new one. This many looks take
// about a tenth of a second: one object of 10,000 keys, or many smaller ones.
constexpr size_t kMaxKeyLooks = 50'000'000;

// Only looks: syntax, depth, number of values and equal keys.
class Inspector : public nlohmann::json_sax<Json> {
 public:
  std::string fault, code = "invalid_json", param;

  explicit Inspector(bool unique_keys) : unique_keys_(unique_keys) {}

  bool start_object(size_t) override {
    keys_.emplace_back();
    return enter();
  }
  bool start_array(size_t) override { return enter(); }
  bool end_object() override {
    keys_.pop_back();
    return leave();
  }
  bool end_array() override { return leave(); }
  bool key(std::string& name) override {
    if (depth_ == 1) field_ = name.substr(0, 128);
    std::unordered_set<std::string>& keys = keys_.back();
    key_looks_ += keys.size();
    if (!keys.insert(name).second && unique_keys_) {
      param = field_;
      const std::string where = depth_ == 1 ? "itself" : field_;
      return refuse(fmt::format("one with a key twice in one object ({})", where));
    }
    if (key_looks_ <= kMaxKeyLooks) return count();
    code = "invalid_value";
    if (depth_ > 1) param = field_;
    return refuse(
        fmt::format("one with too many keys in an object ({})", depth_ == 1 ? "its own" : field_));
  }
  bool null() override { return count(); }
  bool boolean(bool) override { return count(); }
  bool number_integer(int64_t) override { return count(); }
  bool number_unsigned(uint64_t) override { return count(); }
  bool number_float(double value, const std::string&) override {
    return std::isfinite(value) ? count() : refuse("a number is too large");
  }
  bool string(std::string&) override { return count(); }
  bool binary(binary_t&) override { return refuse("not JSON"); }
  bool parse_error(size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    return refuse(fmt::format("not valid JSON at byte {}", position));
  }

 private:
  bool refuse(std::string what) {
    fault = std::move(what);
    return false;
  }
  bool enter() {
    if (++depth_ <= kMaxDepth) return count();
    code = "nesting_too_deep";
    return refuse(fmt::format("nests deeper than {} levels", kMaxDepth));
  }
  bool leave() {
    --depth_;
    return true;
  }
  bool count() {
    return ++values_ <= kMaxValues || refuse(fmt::format("holds more than {} values", kMaxValues));
  }

  int depth_ = 0;
  size_t values_ = 0, key_looks_ = 0;
  const bool unique_keys_;
  std::string field_;                                  // the last one of the outermost object
  std::vector<std::unordered_set<std::string>> keys_;  // of the objects that are open
};

Result<Json> parse(std::string_view body, bool unique_keys) {
  // The parser takes NUL for the end of its input.
  if (const size_t nul = body.find('\0'); nul != std::string_view::npos)
    return invalid(
        "",
        fmt::format("The body must be a JSON object: it is not valid JSON at byte {}.", nul + 1),
        "invalid_json");
  Inspector inspector(unique_keys);
  if (!Json::sax_parse(body.begin(), body.end(), &inspector))
    return invalid(inspector.param,
                   fmt::format("The body must be a JSON object: it is {}.", inspector.fault),
                   inspector.code);
  Json json = Json::parse(body.begin(), body.end(), nullptr, false);
  if (!json.is_object())
    return invalid("", fmt::format("The body must be a JSON object, not {}.", type_name(json)),
                   "invalid_json");
  return json;
}

}  // namespace

Result<Json> parse_body(std::string_view body) { return parse(body, true); }
Result<Json> parse_object(std::string_view text) { return parse(text, false); }

const char* type_name(const Json& value) {
  switch (value.type()) {
    case Json::value_t::null:
      return "null";
    case Json::value_t::object:
      return "an object";
    case Json::value_t::array:
      return "a list";
    case Json::value_t::string:
      return "a string";
    case Json::value_t::boolean:
      return "a boolean";
    default:
      return "a number";
  }
}

std::optional<int64_t> as_integer(const Json& value) {
  if (value.is_number_unsigned()) {
    const auto number = value.get<uint64_t>();
    return number <= static_cast<uint64_t>(INT64_MAX) ? std::optional(static_cast<int64_t>(number))
                                                      : std::nullopt;
  }
  if (value.is_number_integer()) return value.get<int64_t>();
  if (!value.is_number_float()) return std::nullopt;
  const auto number = value.get<double>();
  return std::abs(number) <= 0x1p53 && number == std::floor(number)
             ? std::optional(static_cast<int64_t>(number))
             : std::nullopt;
}

std::optional<int32_t> as_token_id(const Json& value, int32_t vocab_size) {
  const std::optional<int64_t> id = as_integer(value);
  return id && *id >= 0 && *id < vocab_size ? std::optional(static_cast<int32_t>(*id))
                                            : std::nullopt;
}

bool is_text(const Json& object, const char* name) {
  return object.contains(name) && object[name].is_string();
}

std::string type_of(const Json& part) {
  return part.is_object() && is_text(part, "type") ? part["type"].get<std::string>()
                                                   : std::string();
}

Error wrong(const std::string& path, const std::string& what, const std::string& code) {
  return invalid(path, path + " " + what, code);
}

bool FieldReader::has(const std::string& name) { return value(name) != nullptr; }

const Json* FieldReader::value(const std::string& name) {
  read_.insert(name);
  const auto found = object_.find(name);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

void FieldReader::fail(const std::string& name, const std::string& message,
                       const std::string& code) {
  fail(wrong(path_ + name, message, code));
}

void FieldReader::fail(Error error) {
  if (!error_) error_ = std::move(error);
}

int64_t FieldReader::integer(const std::string& name, int64_t low, int64_t high,
                             int64_t default_value) {
  const Json* field = value(name);
  if (field == nullptr) return default_value;
  const std::string expected = fmt::format("must be an integer from {} to {}", low, high);
  const std::optional<int64_t> number = as_integer(*field);
  const bool integral =
      number || field->is_number_integer() ||
      (field->is_number_float() && std::floor(field->get<double>()) == field->get<double>());
  if (!integral)
    fail(
        name,
        fmt::format("{}, not {}.", expected, field->is_number() ? "a fraction" : type_name(*field)),
        "invalid_type");
  else if (!number || *number < low || *number > high)
    fail(name, expected + ".");
  else
    return *number;
  return default_value;
}

double FieldReader::number(const std::string& name, double low, double high, double default_value) {
  const Json* field = value(name);
  if (field == nullptr) return default_value;
  const std::string expected = fmt::format("must be a number from {} to {}", low, high);
  if (!field->is_number())
    fail(name, fmt::format("{}, not {}.", expected, type_name(*field)), "invalid_type");
  else if (!(field->get<double>() >= low && field->get<double>() <= high))
    fail(name, expected + ".");
  else
    return field->get<double>();
  return default_value;
}

bool FieldReader::boolean(const std::string& name, bool default_value) {
  const Json* field = value(name);
  if (field == nullptr) return default_value;
  if (field->is_boolean()) return field->get<bool>();
  fail(name, fmt::format("must be true or false, not {}.", type_name(*field)), "invalid_type");
  return default_value;
}

std::string FieldReader::text(const std::string& name, size_t max_bytes,
                              const std::string& default_value) {
  const Json* field = value(name);
  if (field == nullptr) return default_value;
  if (!field->is_string())
    fail(name, fmt::format("must be a string, not {}.", type_name(*field)), "invalid_type");
  else if (field->get_ref<const std::string&>().size() > max_bytes)
    fail(name, fmt::format("must be at most {} bytes long.", max_bytes));
  else
    return field->get<std::string>();
  return default_value;
}

std::vector<int32_t> FieldReader::ids(const std::string& name, size_t max_count,
                                      int32_t vocab_size) {
  const Json* field = value(name);
  std::vector<int32_t> list;
  if (field == nullptr) return list;
  if (!field->is_array())
    fail(name, fmt::format("must be a list of token ids, not {}.", type_name(*field)),
         "invalid_type");
  else if (field->size() > max_count)
    fail(name, fmt::format("must hold at most {} token ids.", max_count));
  if (!ok()) return list;
  for (const Json& item : *field) {
    const std::optional<int32_t> id = as_token_id(item, vocab_size);
    if (!id) {
      fail(name, fmt::format("must hold token ids from 0 to {}.", vocab_size - 1),
           item.is_number() ? "invalid_value" : "invalid_type");
      break;
    }
    list.push_back(*id);
  }
  return list;
}

std::vector<std::string> FieldReader::strings(const std::string& name, size_t max_count,
                                              size_t max_bytes, bool or_one) {
  const Json* field = value(name);
  if (field == nullptr) return {};
  const std::string expected =
      fmt::format("must be {}a list of strings", or_one ? "a string or " : "");
  const Json list = or_one && field->is_string() ? Json::array({*field}) : *field;
  if (!list.is_array())
    fail(name, fmt::format("{}, not {}.", expected, type_name(list)), "invalid_type");
  else if (list.size() > max_count)
    fail(name, fmt::format("must hold at most {} strings.", max_count));
  std::vector<std::string> strings;
  for (const Json& item : list) {
    if (!item.is_string()) fail(name, expected + ".", "invalid_type");
    if (!ok()) return {};
    strings.push_back(item.get<std::string>());
    if (strings.back().empty() || strings.back().size() > max_bytes)
      fail(name, fmt::format("must hold strings of 1 to {} bytes.", max_bytes));
  }
  return strings;
}

void FieldReader::ignore(const std::string& name) {
  const Json* hint = value(name);
  if (hint != nullptr && *hint != false && !(hint->is_structured() && hint->empty()))
    list_ignored(path_ + name);
}

void FieldReader::list_ignored(std::string what) { ignored_.push_back(std::move(what)); }

int FieldReader::num_unknown() const {
  int unknown = 0;
  for (const auto& [name, field] : object_.items()) unknown += read_.contains(name) ? 0 : 1;
  return unknown;
}

}  // namespace ember
