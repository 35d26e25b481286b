// SPDX-License-Identifier: Apache-2.0
#include "http/http_codec.h"

#include <httplib.h>

#include <memory>

namespace ember {
namespace {

using httplib::detail::EncodingType;

std::unique_ptr<httplib::detail::compressor> make_compressor(EncodingType type) {
#ifdef CPPHTTPLIB_ZLIB_SUPPORT
  if (type == EncodingType::Gzip) return std::make_unique<httplib::detail::gzip_compressor>();
#endif
#ifdef CPPHTTPLIB_BROTLI_SUPPORT
  if (type == EncodingType::Brotli) return std::make_unique<httplib::detail::brotli_compressor>();
#endif
  return nullptr;
}

}  // namespace

std::string percent_decoded(const std::string& text) {
  return httplib::detail::decode_url(text, false);
}

std::string compress(std::string& body, const std::string& content_type,
                     const std::string& accept_encoding) {
  httplib::Request request;
  httplib::Response response;
  request.set_header("Accept-Encoding", accept_encoding);
  response.set_header("Content-Type", content_type);
  const EncodingType type = httplib::detail::encoding_type(request, response);
  const auto compressor = make_compressor(type);
  std::string compressed;
  if (!compressor ||
      !compressor->compress(body.data(), body.size(), true, [&](const char* data, size_t size) {
        compressed.append(data, size);
        return true;
      }))
    return {};
  body = std::move(compressed);
  return type == EncodingType::Gzip ? "gzip" : "br";
}

}  // namespace ember
