// SPDX-License-Identifier: Apache-2.0
#include "ember/model/check.h"

#include <ostream>

#include "commands.h"
#include "ember/base/log.h"
#include "model_files.h"

namespace ember {

ExitCode check(const Settings& settings, std::ostream& out) {
  init_log(settings.log_level, settings.log_format == "json");
  if (settings.model_path.empty()) throw StartError(ExitCode::kUsage, "--model-path is missing");
  const ModelFiles files = open_model_files(settings);
  check_model(settings.model_path, settings.deep);
  out << settings.model_path << ": ok, " << files.config.architecture << ", "
      << files.config.num_layers << " layers, vocabulary of " << files.config.vocab_size
      << ", context of " << files.config.max_position
      << (files.chat_template ? "" : ", no chat template") << "\n";
  return ExitCode::kOk;
}

}  // namespace ember
