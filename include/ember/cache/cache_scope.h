// SPDX-License-Identifier: Apache-2.0
// What two prompts must have in common, besides their tokens, to share cached blocks.
#pragma once

#include <cstdint>
#include <string>

namespace ember {

// Identifies the tokens from the start of a prompt to the end of a full block, within one
// CacheScope. Ids are never reused.
struct PrefixId {
  uint64_t high = 0, low = 0;
  bool operator==(const PrefixId&) const = default;
  bool known() const { return high != 0 || low != 0; }
};

// Prompts share blocks only when their scopes are equal. Whatever K and V depend on besides the
// tokens (an adapter, the contents of an image) becomes a field here, and a part of root().
struct CacheScope {
  std::string tenant;  // the owner of the prompts; empty: there is one tenant only
  std::string salt;    // chosen by the client: splits its tenant's cache

  bool operator==(const CacheScope&) const = default;
  // The prefix before the first block: a hash of every field, and never an id that
  // BlockPool::publish() returns.
  PrefixId root() const;
};

}  // namespace ember
