// SPDX-License-Identifier: Apache-2.0
// Rotation of queries and keys, and the way of keys and values into the cache.
#pragma once

#include "ember/backend/backend.h"

namespace ember::cpu {

// Keys of a layer: [num_blocks][num_kv_heads][head_dim][block_size]; values:
// [num_blocks][num_kv_heads][block_size][head_dim]. One token: `qkv` is its row, `cos_sin` the row
// of its position.
void rope_and_store_token(float* qkv, const float* cos_sin, float* k_cache, float* v_cache,
                          int64_t slot, int block_size, const AttentionSpec& spec);

}  // namespace ember::cpu
