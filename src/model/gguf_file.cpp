// SPDX-License-Identifier: Apache-2.0
#include "ember/model/gguf_file.h"

#include <stdexcept>

#include "json_object.h"

namespace ember {

GgufFile::GgufFile(const std::filesystem::path& path) : file_(path) {
  try {
    header_ = parse_gguf(file_.bytes());
  } catch (const std::invalid_argument& e) {
    bad_model(path, e.what());
  }
}

}  // namespace ember
