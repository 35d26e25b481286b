// SPDX-License-Identifier: Apache-2.0
#include "ember/model/check.h"

#include "ember/model/decoder_config.h"
#include "ember/model/safetensors.h"
#include "json_object.h"
#include "weights.h"

namespace ember {

void check_model(const std::filesystem::path& model_dir, bool deep) {
  if (!std::filesystem::is_directory(model_dir)) bad_model(model_dir, "is not a directory");
  const DecoderConfig config = load_decoder_config(model_dir);
  load_generation_defaults(model_dir, config);
  const Checkpoint checkpoint = Checkpoint::open(model_dir);
  check_tensors(checkpoint, config);
  if (deep) check_finite(checkpoint);
}

}  // namespace ember
