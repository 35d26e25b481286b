// SPDX-License-Identifier: Apache-2.0
#include "http/access_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <random>

#include "ember/base/log.h"

namespace ember {
namespace {

constexpr size_t kMaxLogged = 256;

}  // namespace

std::string request_id_for(const HttpRequest& request) {
  static const uint64_t start = (uint64_t{std::random_device{}()} << 32) | std::random_device{}();
  static std::atomic<uint64_t> count{0};
  const auto allowed = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
           c == '_' || c == '-';
  };
  const std::string* given = request.header("X-Request-Id");
  if (given && !given->empty() && given->size() <= 128 &&
      std::all_of(given->begin(), given->end(), allowed))
    return *given;
  return fmt::format("req-{:016x}", start + count.fetch_add(1, std::memory_order_relaxed));
}

std::string escape_for_log(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, kMaxLogged)) {
    if (c > 0x20 && c < 0x7f && c != '\\')
      out += c;
    else
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  }
  if (text.size() > kMaxLogged) out += "...";
  return out;
}

std::string access_line(const HttpRequest& request, const std::string& request_id) {
  const auto or_dash = [](const std::string& s) {
    return s.empty() ? std::string("-") : escape_for_log(s);
  };
  return fmt::format("{} {} {}", or_dash(request.method), or_dash(request.target), request_id);
}

void log_access(const std::string& line, int status, size_t num_bytes, Duration taken) {
  spdlog::info("http {} status={} bytes={} ms={:.1f}", line, status, num_bytes,
               seconds(taken) * 1e3);
}

}  // namespace ember
