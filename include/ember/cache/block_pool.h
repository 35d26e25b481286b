// SPDX-License-Identifier: Apache-2.0
// Which blocks of the paged KV cache are free, in use, or kept because a later prompt may begin
// like an earlier one.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "ember/cache/cache_scope.h"

namespace ember {

// XXH3-128 over a prefix id and the tokens of the block that follows it.
struct BlockKey {
  uint64_t high = 0, low = 0;
  bool operator==(const BlockKey&) const = default;
};

struct BlockKeyHash {
  size_t operator()(const BlockKey& key) const { return key.low; }
};

struct BlockPoolConfig {
  int num_blocks = 0;
  int block_size = 0;  // tokens
  bool enable_prefix_caching = true;
  int key_bits = 128;  // tests use fewer to force collisions
};

// A block is in exactly one state: free; referenced (in num_refs block tables); or cached (in none,
// but published: prompts find it until it is evicted). The pool only keeps count and touches no
// tensor. Not thread-safe. After the constructor it allocates nothing but the entries of the key
// map.
class BlockPool {
 public:
  explicit BlockPool(const BlockPoolConfig& config);

  int num_blocks() const { return config_.num_blocks; }
  int block_size() const { return config_.block_size; }
  bool caching() const { return config_.enable_prefix_caching; }
  // Blocks that allocate() can still hand out: free ones, and cached ones, which it evicts.
  int num_available() const { return num_free_ + num_cached_; }
  int num_free() const { return num_free_; }
  int num_cached() const { return num_cached_; }

  // Appends to `table` the published blocks of the longest cached prefix of `tokens` and takes a
  // reference to each. `root` is CacheScope::root() of the prompt. Only whole blocks are cached,
  // and the last token is always left to be computed: its logits are needed. `ids` receives one id
  // per block.
  void find_prefix(const PrefixId& root, std::span<const int32_t> tokens,
                   std::vector<int32_t>& table, std::vector<PrefixId>& ids);

  // A block with one reference, its contents undefined. There must be one available. Evicts the
  // block released longest ago, children before their parents, when none is free.
  int32_t allocate();
  // Gives one reference back.
  void release(int32_t block);
  // Gives all of a table's references back, the last block first, so that a prefix is evicted after
  // the blocks that follow it.
  void release_all(std::vector<int32_t>& table);

  // Declares that a referenced block holds K and V of these tokens, which follow the prefix
  // `parent`. Prompts find it from then on, and it must not be written any more. Returns the id of
  // the prefix that ends with this block: the id that is there already when another block holds the
  // same tokens; an unknown id, which no block can follow, when caching is off, `parent` is unknown
  // or the key collides.
  PrefixId publish(int32_t block, const PrefixId& parent, std::span<const int32_t> tokens);

  int num_refs(int32_t block) const { return blocks_[static_cast<size_t>(block)].num_refs; }
  bool is_published(int32_t block) const { return blocks_[static_cast<size_t>(block)].published; }
  // Counts how often the block has been handed out; a change means that old contents are gone.
  uint32_t generation(int32_t block) const {
    return blocks_[static_cast<size_t>(block)].generation;
  }

  // CHECKs against `tables`, all live block tables. Slow: for tests.
  // refs-counted: a block has as many references as there are tables that hold it.
  // one-list: a block without references is in exactly one list, one with references in none.
  // free-or-cached: the free list holds unpublished blocks, the other one published ones.
  // key-finds-block: a published block is found by its key, which is that of its parent and tokens.
  void check_invariants(std::span<const std::vector<int32_t>* const> tables) const;

 private:
  static constexpr int32_t kNone = -1;
  struct Block {
    int32_t num_refs = 0;
    int32_t previous = kNone, next = kNone;  // in the free list or the list of cached blocks
    uint32_t generation = 0;
    bool published = false;
    BlockKey key;
    PrefixId parent, id;
  };
  // A doubly linked list through Block::previous and next: the front was released longest ago.
  struct List {
    int32_t front = kNone, back = kNone;
  };

  Block& at(int32_t block);
  void push_back(List& list, int32_t block);
  void remove(List& list, int32_t block);
  void withdraw(int32_t block);
  BlockKey key_of(const PrefixId& parent, std::span<const int32_t> tokens) const;
  bool holds(int32_t block, const PrefixId& parent, std::span<const int32_t> tokens) const;
  void check_lists(std::vector<int>& seen) const;

  const BlockPoolConfig config_;
  std::vector<Block> blocks_;
  std::vector<int32_t> tokens_;  // of published blocks: [num_blocks, block_size]
  std::unordered_map<BlockKey, int32_t, BlockKeyHash> by_key_;
  List free_, cached_;
  int num_free_ = 0, num_cached_ = 0;
  uint64_t last_id_ = 0;
};

}  // namespace ember
