// SPDX-License-Identifier: Apache-2.0
#include "admin/page.h"

#include <fmt/format.h>

#include <random>
#include <string>

#include "embedded.h"

namespace ember {

namespace {

constexpr std::string_view kMark = "@NONCE@";

// Known to this one answer's own script and style only.
std::string make_nonce() {
  std::random_device random;
  return fmt::format("{:08x}{:08x}{:08x}{:08x}", random(), random(), random(), random());
}

std::string page_with(const std::string& nonce) {
  std::string page(kPage);
  for (size_t at = page.find(kMark); at != std::string::npos; at = page.find(kMark, at))
    page.replace(at, kMark.size(), nonce);
  return page;
}

}  // namespace

void answer_page(HttpResponse& response) {
  const std::string nonce = make_nonce();
  response.headers["Content-Security-Policy"] = fmt::format(
      "default-src 'none'; script-src 'nonce-{0}'; style-src 'nonce-{0}'; connect-src 'self'; "
      "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
      nonce);
  response.headers["X-Content-Type-Options"] = "nosniff";
  response.headers["Referrer-Policy"] = "no-referrer";
  response.headers["Cache-Control"] = "no-store";
  response.set_content(page_with(nonce), "text/html; charset=utf-8");
}

}  // namespace ember
