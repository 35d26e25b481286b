// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace ember {

// How many CPUs this process may run on, at least 1.
int usable_cpus();

}  // namespace ember
