// SPDX-License-Identifier: Apache-2.0
// The keys that clients must send.
#pragma once

#include <string>
#include <vector>

namespace ember {

// Those of --api-key, then one per line of the file (empty path: none). Throws StartError(kConfig):
// missing, empty or world-readable file, a key that is not 1 to 512 printable ASCII characters
// without spaces, a duplicate, over 10,000 keys.
std::vector<std::string> load_api_keys(const std::vector<std::string>& flags,
                                       const std::string& file);

}  // namespace ember
