// SPDX-License-Identifier: Apache-2.0
// Refuses settings that cannot serve a single request, or that open the server to strangers.
#pragma once

#include "config.h"

namespace ember {

// Throws StartError(kConfig) naming flag, value and limit. Looks at the numbers only, not at model
// or device.
void check_settings(const Settings& settings, bool has_keys);

// Raises this process's limit of open files to what max_connections needs, as far as allowed, and
// returns how many connections fit. Throws StartError(kConfig) where not even 16 do.
int connections_that_fit(int max_connections);

}  // namespace ember
