// SPDX-License-Identifier: Apache-2.0
// Tells systemd how the service is (sd_notify(3)), without a library.
#pragma once

#include <string>

namespace ember {

// Sends `state`, e.g. "READY=1", to the socket ("/path" or "@abstract"). Nothing happens when the
// path is empty or nobody listens.
void sd_notify(const std::string& socket_path, const std::string& state);

}  // namespace ember
