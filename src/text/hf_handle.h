// SPDX-License-Identifier: Apache-2.0
// Owners for what the Rust library hands out.
#pragma once

#include <ember_hf.h>

#include <string>
#include <vector>

namespace ember::hf {

inline const uint8_t* data(std::string_view text) {
  return reinterpret_cast<const uint8_t*>(text.data());
}

// Takes the bytes over.
inline std::string take(EmberBytes bytes) {
  std::string text(reinterpret_cast<const char*>(bytes.data), bytes.size);
  ember_hf_free_bytes(bytes);
  return text;
}

inline std::vector<int32_t> take(EmberIds ids) {
  std::vector<int32_t> list(ids.data, ids.data + ids.size);
  ember_hf_free_ids(ids);
  return list;
}

// The message of an error, which is freed; empty for none.
inline std::string take(char* error) {
  std::string text = error == nullptr ? "" : error;
  ember_hf_free_text(error);
  return text;
}

}  // namespace ember::hf
