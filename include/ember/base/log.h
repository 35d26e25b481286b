// SPDX-License-Identifier: Apache-2.0
// Logging through spdlog's default logger, on stderr.
#pragma once

#include <spdlog/spdlog.h>

#include <string>

namespace ember {

// level: trace, debug, info, warn, error, off. json: one JSON object per line instead of text. Call
// once, from main.
void init_log(const std::string& level, bool json);

}  // namespace ember

// What formats a line of the log is compiled once, in log.cpp, instead of wherever a line is
// written.
extern template void fmt::detail::vformat_to<char>(
    fmt::detail::buffer<char>&, fmt::string_view, fmt::basic_format_args<fmt::buffer_context<char>>,
    fmt::detail::locale_ref);
