// SPDX-License-Identifier: Apache-2.0
// The flags of each command, and which setting each one sets.
#pragma once

#include "config.h"

namespace CLI {
class App;
}

namespace ember {

// Adds the flags of `kind` to its command. They set fields of `settings`, which must stay where it
// is until the command line, the environment and the settings file have been read.
void add_options(CLI::App& command, CommandKind kind, Settings& settings);

}  // namespace ember
