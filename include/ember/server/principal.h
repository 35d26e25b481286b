// SPDX-License-Identifier: Apache-2.0
// On whose behalf a request is made.
#pragma once

#include <string>

namespace ember {

struct Principal {
  // Names the tenant wherever work of several is kept apart. Stable for one key, and tells nothing
  // of it. Empty: the server has no keys, and so one tenant.
  std::string tenant;
};

}  // namespace ember
