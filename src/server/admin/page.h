// SPDX-License-Identifier: Apache-2.0
// The page at /: a chat and the server's load, in one file without anything from elsewhere.
#pragma once

#include "ember/server/exchange.h"

namespace ember {

// With a policy that lets it run its own script and talk to this server, and nothing else.
void answer_page(HttpResponse& response);

}  // namespace ember
