// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ember/base/log.h"
#include "settings.h"

namespace ember {

// Starts logging as the settings say.
inline void start_log(const LogSettings& settings) {
  init_log(settings.level, settings.format == "json");
}

}  // namespace ember
