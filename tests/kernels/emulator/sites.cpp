// SPDX-License-Identifier: Apache-2.0
#include "sites.h"

#include <cstring>
#include <utility>

namespace emu {

namespace {

Site g_left_out;
bool g_recording = false;
std::set<Site> g_recorded;

const char* file_of(const Where& where) {
  const char* const slash = std::strrchr(where.file_name(), '/');
  return slash == nullptr ? where.file_name() : slash + 1;
}

}  // namespace

bool left_out(const char* what, const Where& where) {
  if (g_recording) g_recorded.insert({what, file_of(where), where.line()});
  return g_left_out.line == where.line() && g_left_out.what == what &&
         g_left_out.file == file_of(where);
}

void leave_out(const Site& site) { g_left_out = site; }
void leave_nothing_out() { g_left_out = {}; }

void record_sites() {
  g_recording = true;
  g_recorded.clear();
}

std::set<Site> recorded_sites() {
  g_recording = false;
  return std::exchange(g_recorded, {});
}

}  // namespace emu
