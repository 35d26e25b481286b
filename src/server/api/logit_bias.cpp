// SPDX-License-Identifier: Apache-2.0
#include "api/logit_bias.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>

namespace ember {

namespace {

constexpr size_t kMaxBias = 1024;

bool is_bias(const Json& value) {
  return value.is_number() && std::abs(value.get<double>()) <= 100;
}

// -1: it is none.
int32_t token_id(const std::string& key, int32_t vocab_size) {
  int32_t id = -1;
  const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
  const bool is_number = error == std::errc{} && end == key.data() + key.size() && key[0] != '-';
  return is_number && id < vocab_size ? id : -1;
}

}  // namespace

std::vector<std::pair<int32_t, float>> read_logit_bias(FieldReader& fields, int32_t vocab_size) {
  std::vector<std::pair<int32_t, float>> read;
  const Json* bias = fields.value("logit_bias");
  if (bias == nullptr) return read;
  bool valid = bias->is_object() && bias->size() <= kMaxBias;
  if (valid) {
    for (const auto& [key, value] : bias->items()) {
      const int32_t id = token_id(key, vocab_size);
      valid = valid && id >= 0 && is_bias(value);
      if (valid) read.emplace_back(id, value.get<float>());
    }
  }
  if (!valid)
    fields.fail("logit_bias",
                fmt::format("must map token ids from 0 to {} to numbers from -100 to 100, at most "
                            "{} of them.",
                            vocab_size - 1, kMaxBias));
  std::sort(read.begin(), read.end());
  return read;
}

}  // namespace ember
