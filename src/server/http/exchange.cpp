// SPDX-License-Identifier: Apache-2.0
#include "ember/server/exchange.h"

#include <algorithm>

#include "ember/base/check.h"
#include "http/http_codec.h"

namespace ember {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

bool LessIgnoringCase::operator()(std::string_view a, std::string_view b) const {
  return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(),
                                      [](char x, char y) { return lower(x) < lower(y); });
}

const std::string* HttpRequest::header(std::string_view name) const {
  for (const auto& [key, value] : headers)
    if (equal_ignoring_case(key, name)) return &value;
  return nullptr;
}

std::vector<std::string_view> HttpRequest::header_values(std::string_view name) const {
  std::vector<std::string_view> values;
  for (const auto& [key, value] : headers)
    if (equal_ignoring_case(key, name)) values.push_back(value);
  return values;
}

void HttpResponse::set_content(std::string content, const std::string& type) {
  body = std::move(content);
  headers["Content-Type"] = type;
}

Exchange::Exchange(HttpRequest request, std::string request_id,
                   std::unique_ptr<Connection> connection)
    : request_(std::move(request)),
      request_id_(std::move(request_id)),
      connection_(std::move(connection)) {
  request_.path = percent_decoded(request_.target.substr(0, request_.target.find_first_of("?#")));
}

std::unique_ptr<Connection> Exchange::take() {
  CHECK(connection_ != nullptr, "the connection has been taken already");
  return std::move(connection_);
}

}  // namespace ember
