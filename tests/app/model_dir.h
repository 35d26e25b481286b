// SPDX-License-Identifier: Apache-2.0
// Copies of the demo model that tests may spoil.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/temp_dir.h"

namespace ember {

inline const std::filesystem::path kDemoModel =
    std::filesystem::path(EMBER_SOURCE_DIR) / "configs/demo-model";

// A fresh copy for the running test; the weights are links to the originals' copies only where
// `with_weights`.
inline std::filesystem::path copy_demo_model(bool with_weights) {
  const auto* info = testing::UnitTest::GetInstance()->current_test_info();
  const std::filesystem::path dir =
      test::process_dir() / (std::string(info->test_suite_name()) + "_" + info->name());
  std::filesystem::remove_all(dir);
  std::filesystem::create_directories(dir);
  for (const auto& entry : std::filesystem::directory_iterator(kDemoModel))
    if (with_weights || entry.path().extension() != ".safetensors")
      std::filesystem::copy(entry.path(), dir / entry.path().filename());
  return dir;
}

inline void write_file(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

}  // namespace ember
