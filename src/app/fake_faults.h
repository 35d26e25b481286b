// SPDX-License-Identifier: Apache-2.0
// What befalls fake devices, for tests: --fake-faults.
#pragma once

#include <string>
#include <vector>

#include "ember/engine/fake_runner.h"

namespace ember {

// "step=100:throw,step=200:hang": the first engine that is made throws in its 100th step, the
// second one hangs in its 200th, and all later ones, an engine that is made again among them, have
// no fault. Throws StartError(kConfig).
std::vector<FakeFault> fake_faults(const std::string& text);

// That of an engine before which so many were made.
FakeFault fault_of(const std::string& text, int num_made);

}  // namespace ember
