// SPDX-License-Identifier: Apache-2.0
#include "ember/cache/cache_scope.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace ember {

PrefixId CacheScope::root() const {
  XXH3_state_t state;
  XXH3_128bits_reset(&state);
  for (const std::string* field : {&tenant, &salt}) {
    const uint64_t size = field->size();  // separates the fields
    XXH3_128bits_update(&state, &size, sizeof size);
    XXH3_128bits_update(&state, field->data(), field->size());
  }
  const XXH128_hash_t hash = XXH3_128bits_digest(&state);
  return {hash.high64 | 1, hash.low64};  // the high part of a published id is 0
}

}  // namespace ember
