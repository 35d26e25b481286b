// SPDX-License-Identifier: Apache-2.0
#include "ember/model/gguf_metadata.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "json_object.h"

namespace ember {

namespace {

template <class T>
T read(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

bool is_integer(GgufValueType type) {
  switch (type) {
    case GgufValueType::kF32:
    case GgufValueType::kF64:
    case GgufValueType::kBool:
    case GgufValueType::kString:
    case GgufValueType::kArray:
      return false;
    default:
      return true;
  }
}

bool is_number(GgufValueType type) {
  return is_integer(type) || type == GgufValueType::kF32 || type == GgufValueType::kF64;
}

size_t bytes_of(const GgufValue& value) {
  return value.bytes.size() / std::max<uint64_t>(value.count, 1);
}

// Element i of numbers, for each type by `take`.
template <class Take>
auto with_number(const GgufValue& value, uint64_t i, const Take& take) {
  const std::byte* from = value.bytes.data() + i * bytes_of(value);
  switch (value.type) {
    case GgufValueType::kU8:
      return take(read<uint8_t>(from));
    case GgufValueType::kI8:
      return take(read<int8_t>(from));
    case GgufValueType::kU16:
      return take(read<uint16_t>(from));
    case GgufValueType::kI16:
      return take(read<int16_t>(from));
    case GgufValueType::kU32:
      return take(read<uint32_t>(from));
    case GgufValueType::kI32:
      return take(read<int32_t>(from));
    case GgufValueType::kU64:
      return take(read<uint64_t>(from));
    case GgufValueType::kI64:
      return take(read<int64_t>(from));
    case GgufValueType::kF32:
      return take(read<float>(from));
    default:
      return take(read<double>(from));
  }
}

double number_at(const GgufValue& value, uint64_t i) {
  return with_number(value, i, [](auto number) { return static_cast<double>(number); });
}

// nullopt: beyond int64.
std::optional<int64_t> integer_at(const GgufValue& value, uint64_t i) {
  return with_number(value, i, [](auto number) -> std::optional<int64_t> {
    if constexpr (std::is_same_v<decltype(number), uint64_t>)
      if (number > static_cast<uint64_t>(INT64_MAX)) return std::nullopt;
    return static_cast<int64_t>(number);
  });
}

// One number, or several that are all the same.
bool is_uniform(const GgufValue& value) {
  const size_t bytes = bytes_of(value);
  if (value.count == 0) return false;
  for (uint64_t i = 1; i < value.count; ++i)
    if (std::memcmp(value.bytes.data(), value.bytes.data() + i * bytes, bytes) != 0) return false;
  return true;
}

std::vector<std::string_view> strings_of(const GgufValue& value) {
  std::vector<std::string_view> strings;
  strings.reserve(value.count);
  const std::byte* at = value.bytes.data();
  for (uint64_t i = 0; i < value.count; ++i) {
    const auto size = read<uint64_t>(at);
    strings.emplace_back(reinterpret_cast<const char*>(at) + sizeof size, size);
    at += sizeof size + size;
  }
  return strings;
}

std::string shown(const GgufValue& value) {
  const bool text = value.type == GgufValueType::kString;
  if (value.array)
    return fmt::format("an array of {} {}", value.count,
                       text                    ? "strings"
                       : is_number(value.type) ? "numbers"
                                               : "bools");
  if (text) return shown_text(strings_of(value).front());
  if (value.type == GgufValueType::kBool) return value.bytes[0] == std::byte{1} ? "true" : "false";
  return with_number(value, 0, [](auto number) { return fmt::format("{}", +number); });
}

}  // namespace

GgufMetadata::GgufMetadata(const GgufFile& file) : file_(file.path()), header_(file.header()) {}

const GgufValue* GgufMetadata::find(std::string_view key) const {
  const auto found = header_.metadata.find(key);
  return found == header_.metadata.end() ? nullptr : &found->second;
}

void GgufMetadata::refuse(std::string_view key, std::string_view expected) const {
  const GgufValue* value = find(key);
  bad_model(file_, fmt::format("key {}: expected {}, found {}", shown_text(key), expected,
                               value == nullptr ? "nothing" : shown(*value)));
}

int64_t GgufMetadata::integer(std::string_view key, int64_t low, int64_t high,
                              std::optional<int64_t> default_value) const {
  const GgufValue* value = find(key);
  if (value == nullptr && default_value) return *default_value;
  std::optional<int64_t> number;
  if (value != nullptr && is_integer(value->type) && is_uniform(*value))
    number = integer_at(*value, 0);
  if (!number || *number < low || *number > high)
    refuse(key, fmt::format("an integer from {} to {}", low, high));
  return *number;
}

double GgufMetadata::number(std::string_view key, double low, double high,
                            std::optional<double> default_value) const {
  const GgufValue* value = find(key);
  if (value == nullptr && default_value) return *default_value;
  const bool readable = value != nullptr && is_number(value->type) && is_uniform(*value);
  const double number = readable ? number_at(*value, 0) : std::nan("");
  if (!(number >= low && number <= high))
    refuse(key, fmt::format("a number from {} to {}", low, high));
  return number;
}

bool GgufMetadata::boolean(std::string_view key, bool default_value) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return default_value;
  if (value->type != GgufValueType::kBool || value->array) refuse(key, "true or false");
  return value->bytes[0] == std::byte{1};
}

std::string_view GgufMetadata::text(std::string_view key, std::string_view default_value) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return default_value;
  if (value->type != GgufValueType::kString || value->array) refuse(key, "a string");
  return strings_of(*value).front();
}

std::vector<std::string_view> GgufMetadata::texts(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return {};
  if (value->type != GgufValueType::kString || !value->array) refuse(key, "an array of strings");
  return strings_of(*value);
}

std::vector<double> GgufMetadata::numbers(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return {};
  if (!is_number(value->type) || !value->array) refuse(key, "an array of numbers");
  std::vector<double> numbers;
  for (uint64_t i = 0; i < value->count; ++i) numbers.push_back(number_at(*value, i));
  return numbers;
}

std::vector<int64_t> GgufMetadata::integers(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return {};
  if (!is_integer(value->type) || !value->array) refuse(key, "an array of integers");
  std::vector<int64_t> integers;
  for (uint64_t i = 0; i < value->count; ++i) {
    const std::optional<int64_t> number = integer_at(*value, i);
    if (!number) refuse(key, "an array of integers below 2^63");
    integers.push_back(*number);
  }
  return integers;
}

std::vector<bool> GgufMetadata::booleans(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return {};
  if (value->type != GgufValueType::kBool || !value->array) refuse(key, "an array of bools");
  std::vector<bool> booleans;
  for (uint64_t i = 0; i < value->count; ++i) booleans.push_back(value->bytes[i] == std::byte{1});
  return booleans;
}

}  // namespace ember
