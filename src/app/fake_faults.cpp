// SPDX-License-Identifier: Apache-2.0
#include "fake_faults.h"

#include <fmt/format.h>

#include <charconv>
#include <string_view>

#include "ember/base/start_error.h"

namespace ember {

namespace {

bool read_fault(std::string_view text, FakeFault& fault) {
  constexpr std::string_view kStep = "step=";
  if (!text.starts_with(kStep)) return false;
  text.remove_prefix(kStep.size());
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), fault.step);
  if (error != std::errc{} || fault.step < 1) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  fault.hangs = text == ":hang";
  return fault.hangs || text == ":throw";
}

}  // namespace

std::vector<FakeFault> fake_faults(const std::string& text) {
  std::vector<FakeFault> faults;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    if (!read_fault(std::string_view(text).substr(begin, end - begin), faults.emplace_back()))
      throw StartError(ExitCode::kConfig,
                       fmt::format("--fake-faults {}: must be step=N:throw or step=N:hang, "
                                   "separated by commas",
                                   text));
    begin = end + 1;
  }
  return faults;
}

FakeFault fault_of(const std::string& text, int num_made) {
  const std::vector<FakeFault> faults = fake_faults(text);
  const auto at = static_cast<size_t>(num_made);
  return at < faults.size() ? faults[at] : FakeFault();
}

}  // namespace ember
