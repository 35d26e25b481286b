// SPDX-License-Identifier: Apache-2.0
// All that the server uses of cpp-httplib: percent-decoding, and the compression of bodies.
#pragma once

#include <string>

namespace ember {

// "%20" becomes a space. What is no escape stays as it is.
std::string percent_decoded(const std::string& text);

// Compresses `body`, which has the type `content_type`, if the client accepts brotli or gzip and
// the type is one of text. Returns the value of Content-Encoding; empty: the body is as it was.
std::string compress(std::string& body, const std::string& content_type,
                     const std::string& accept_encoding);

}  // namespace ember
