// SPDX-License-Identifier: Apache-2.0
#include "dialects/call_reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "ember/base/splitmix64.h"

namespace ember {

bool CallSink::is_function(std::string_view name) const {
  return std::find(options_.functions.begin(), options_.functions.end(), name) !=
         options_.functions.end();
}

const nlohmann::ordered_json& CallSink::parameters_of(std::string_view name) const {
  static const nlohmann::ordered_json kNotKnown;
  const auto& names = options_.functions;
  const auto at = static_cast<size_t>(std::find(names.begin(), names.end(), name) - names.begin());
  return at < options_.parameters.size() ? options_.parameters[at] : kNotKnown;
}

void CallSink::begin_call(const std::string& name) {
  const int index = num_calls_++;
  if (!options_.parallel && index > 0) return;
  const uint64_t random = splitmix64(options_.id_seed + static_cast<uint64_t>(index));
  out_.calls.push_back({index, options_.dialect->make_id(random), name, {}});
}

void CallSink::add_arguments(std::string_view piece) {
  if (piece.empty() || (!options_.parallel && num_calls_ > 1)) return;
  if (out_.calls.empty() || out_.calls.back().index != num_calls_ - 1)
    out_.calls.push_back({num_calls_ - 1, {}, {}, {}});
  out_.calls.back().arguments += piece;
}

std::string default_call_id(uint64_t random) {
  return fmt::format("call_{:016x}{:08x}", random, splitmix64(random) & 0xffffffff);
}

}  // namespace ember
