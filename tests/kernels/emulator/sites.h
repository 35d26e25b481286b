// SPDX-License-Identifier: Apache-2.0
// The places in the kernels' sources that order memory: barriers, waits, fences. A test can have
// the machine leave one of them out, and demand that it is noticed.
#pragma once

#include <set>
#include <source_location>
#include <string>

namespace emu {

using Where = std::source_location;

struct Site {
  std::string what;  // the function
  std::string file;  // without folders
  unsigned line = 0;

  auto operator<=>(const Site&) const = default;
};

// Whether the machine leaves this one out.
bool left_out(const char* what, const Where& where);

void leave_out(const Site& site);
void leave_nothing_out();
// Where the kernels came by from record_sites() on.
void record_sites();
std::set<Site> recorded_sites();

}  // namespace emu
