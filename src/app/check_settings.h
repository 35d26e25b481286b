// SPDX-License-Identifier: Apache-2.0
// Refuses settings that cannot serve a single request, or that let other machines in without a key.
#pragma once

#include "config.h"

namespace ember {

// Throw StartError naming flag, value and limit: kUsage where the model's path is missing, else
// kConfig. They look at the values only, not at model or device.
void check_engine_settings(const EngineSettings& settings);
// Everything that serve reads; a host that other machines reach needs keys.
void check_serve_settings(const Settings& settings);
void check_bench_fleet_settings(const BenchFleetSettings& settings);

// Raises this process's limit of open files to what max_connections needs, as far as allowed, and
// returns how many connections fit. Throws StartError(kConfig) where not even 16 do.
int connections_that_fit(int max_connections);

}  // namespace ember
