// SPDX-License-Identifier: Apache-2.0
#include "left_out.h"

#include <fmt/format.h>

#include <algorithm>

#include "ember/base/log.h"

namespace ember {

Result<void> report_left_out(std::span<const std::string> left_out,
                             const std::map<std::string, std::string>& names, int32_t vocab_size) {
  if (left_out.empty()) return {};
  for (const char* name : {"bos_token", "eos_token"})
    if (const auto named = names.find(name);
        named != names.end() && std::ranges::find(left_out, named->second) != left_out.end())
      return invalid("", fmt::format("{} {:?} has an id beyond the model's vocab_size {}", name,
                                     named->second, vocab_size));
  spdlog::info(
      "{} added tokens have ids beyond the model's vocab_size {} and are left out: what spells "
      "them is text",
      left_out.size(), vocab_size);
  return {};
}

}  // namespace ember
