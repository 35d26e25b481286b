// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ember/base/log.h"
#include "settings.h"

namespace ember {

// Logs as the settings say, from now on.
inline void start_log(const LogSettings& settings) {
  init_log(settings.level, settings.format == "json");
}

}  // namespace ember
