// Validates a model directory without a device.
#pragma once

#include <filesystem>

namespace ember {

// Config, generation config, every header and every tensor's type and shape; with `deep`, also that all weights are finite.
// Throws StartError(kBadModel): one line naming file, field or tensor, what is expected and what was found.
void check_model(const std::filesystem::path& model_dir, bool deep);

}  // namespace ember
