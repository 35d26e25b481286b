// SPDX-License-Identifier: Apache-2.0
// libFuzzer: the first two bytes are the size of the data, the rest is a safetensors header. It is
// refused, or its tensors tile the data.
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string_view>

#include "ember/base/check.h"
#include "ember/model/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size < 2) return 0;
  const uint64_t data_bytes = bytes[0] | static_cast<uint64_t>(bytes[1]) << 8;
  try {
    uint64_t covered = 0;
    for (const auto& [name, entry] : ember::parse_safetensors_header(
             {reinterpret_cast<const char*>(bytes) + 2, size - 2}, data_bytes)) {
      CHECK(entry.begin <= entry.end && entry.end <= data_bytes);
      covered += entry.end - entry.begin;
    }
    CHECK(covered == data_bytes);
  } catch (const std::invalid_argument&) {
  }
  return 0;
}
