// One line per answer.
#pragma once

#include <string>

#include "ember/base/clock.h"

namespace ember {

struct AccessEntry {
  std::string method, target, request_id;
  TimePoint begin{};  // when the request's first byte was read
};

// status 0: the client was gone before there was one.
void log_access(const AccessEntry& entry, int status, size_t bytes);

}  // namespace ember
