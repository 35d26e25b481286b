// SPDX-License-Identifier: Apache-2.0
// What one request may ask for.
#pragma once

namespace ember {

struct ParamLimits {
  int max_n = 8;             // choices of one prompt
  double max_timeout = 600;  // seconds
};

}  // namespace ember
