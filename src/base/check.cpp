// SPDX-License-Identifier: Apache-2.0
#include "ember/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace ember {

void check_failed(const char* file, int line, const char* condition, const std::string& message) {
  std::fprintf(stderr, "%s:%d: CHECK(%s) failed%s%s\n", file, line, condition,
               message.empty() ? "" : ": ", message.c_str());
  std::abort();
}

}  // namespace ember
