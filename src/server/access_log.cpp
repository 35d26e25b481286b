#include "server/access_log.h"

#include "ember/base/log.h"
#include "ember/server/http_error.h"

namespace ember {

void log_access(const AccessEntry& entry, int status, size_t bytes) {
  spdlog::info("{} {} {} {} bytes {:.1f} ms {}", entry.method.empty() ? "-" : entry.method.substr(0, 32), shown(entry.target, 256),
               status == 0 ? "client-gone" : std::to_string(status), bytes, seconds(Clock::now() - entry.begin) * 1e3, entry.request_id);
}

}  // namespace ember
