// SPDX-License-Identifier: Apache-2.0
// The weights of a Hugging Face directory, whether quantised or not.
#pragma once

#include <filesystem>
#include <memory>

#include "ember/model/checkpoint.h"

namespace ember {

// The weights of a model directory. Where its config.json names a quantisation, a module that is
// stored quantised appears as one tensor "MODULE.weight" [out, in], instead of those that hold its
// codes, scales and zero points; it is checked when it is asked for. Opens and checks every file;
// reads no weight. Throws StartError(kBadModel).
std::unique_ptr<Checkpoint> open_weights(const std::filesystem::path& model_dir);

}  // namespace ember
