// SPDX-License-Identifier: Apache-2.0
// libFuzzer: a whole GGUF file. It is refused, or its tensors lie in it, apart from each other.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <vector>

#include "ember/base/check.h"
#include "ember/model/gguf_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  try {
    const ember::GgufHeader header = ember::parse_gguf(std::as_bytes(std::span(bytes, size)));
    std::vector<std::pair<uint64_t, uint64_t>> ranges;
    for (const auto& [name, tensor] : header.tensors) ranges.emplace_back(tensor.begin, tensor.end);
    std::ranges::sort(ranges);
    uint64_t at = 0;
    for (const auto& [begin, end] : ranges) {
      CHECK(at <= begin && begin < end && end <= size);
      at = end;
    }
    for (const auto& [key, value] : header.metadata)
      CHECK(value.bytes.empty() ||
            (value.bytes.data() > static_cast<const void*>(bytes) && value.bytes.size() < size));
  } catch (const std::invalid_argument&) {
  }
  return 0;
}
