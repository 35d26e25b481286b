// SPDX-License-Identifier: Apache-2.0
#include <ostream>

#include "commands.h"
#include "model_source.h"
#include "start_log.h"

namespace ember {

ExitCode check(const Settings& settings, std::ostream& out) {
  start_log(settings.log);
  const std::unique_ptr<const ModelSource> source = open_model(settings.model().path);
  const ModelFiles files = read_model_files(*source, settings.model());
  source->check(settings.check.deep);
  out << source->path() << ": ok, " << files.config.architecture << ", " << files.config.num_layers
      << " layers, vocabulary of " << files.config.vocab_size << ", context of "
      << files.config.max_position << (files.chat_template ? "" : ", no chat template") << "\n";
  return ExitCode::kOk;
}

}  // namespace ember
