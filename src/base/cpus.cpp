// SPDX-License-Identifier: Apache-2.0
#include "ember/base/cpus.h"

#include <sched.h>

#include <algorithm>

namespace ember {

int usable_cpus() {
  cpu_set_t set;
  return ::sched_getaffinity(0, sizeof set, &set) == 0 ? std::max(1, CPU_COUNT(&set)) : 1;
}

}  // namespace ember
