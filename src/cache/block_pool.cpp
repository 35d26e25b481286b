// SPDX-License-Identifier: Apache-2.0
#include "ember/cache/block_pool.h"

#include <algorithm>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "ember/base/check.h"

namespace ember {

BlockPool::BlockPool(const BlockPoolConfig& config)
    : config_(config), blocks_(static_cast<size_t>(config.num_blocks)) {
  CHECK(config.num_blocks > 0 && config.block_size > 0);
  if (config.enable_prefix_caching) {
    tokens_.resize(static_cast<size_t>(config.num_blocks) * static_cast<size_t>(config.block_size));
    by_key_.reserve(static_cast<size_t>(config.num_blocks));
  }
  for (int32_t block = 0; block < config.num_blocks; ++block) push_back(free_, block);
  num_free_ = config.num_blocks;
}

BlockPool::Block& BlockPool::at(int32_t block) {
  CHECK(block >= 0 && block < config_.num_blocks, "block {} of {}", block, config_.num_blocks);
  return blocks_[static_cast<size_t>(block)];
}

void BlockPool::push_back(List& list, int32_t block) {
  Block& b = at(block);
  b.previous = list.back;
  b.next = kNone;
  (list.back == kNone ? list.front : at(list.back).next) = block;
  list.back = block;
}

void BlockPool::remove(List& list, int32_t block) {
  Block& b = at(block);
  (b.previous == kNone ? list.front : at(b.previous).next) = b.next;
  (b.next == kNone ? list.back : at(b.next).previous) = b.previous;
  b.previous = b.next = kNone;
}

BlockKey BlockPool::key_of(const PrefixId& parent, std::span<const int32_t> tokens) const {
  XXH3_state_t state;
  XXH3_128bits_reset(&state);
  XXH3_128bits_update(&state, &parent, sizeof parent);
  XXH3_128bits_update(&state, tokens.data(), tokens.size_bytes());
  const XXH128_hash_t hash = XXH3_128bits_digest(&state);
  if (config_.key_bits >= 128) return {hash.high64, hash.low64};
  return {0, hash.low64 & ((uint64_t{1} << config_.key_bits) - 1)};
}

bool BlockPool::holds(int32_t block, const PrefixId& parent,
                      std::span<const int32_t> tokens) const {
  const auto begin = tokens_.begin() + static_cast<std::ptrdiff_t>(block) * config_.block_size;
  return blocks_[static_cast<size_t>(block)].parent == parent &&
         std::equal(tokens.begin(), tokens.end(), begin);
}

void BlockPool::find_prefix(const PrefixId& root, std::span<const int32_t> tokens,
                            std::vector<int32_t>& table, std::vector<PrefixId>& ids) {
  if (!config_.enable_prefix_caching) return;
  const auto size = static_cast<size_t>(config_.block_size);
  PrefixId parent = root;
  for (size_t end = size; end < tokens.size(); end += size) {
    const auto part = tokens.subspan(end - size, size);
    const auto found = by_key_.find(key_of(parent, part));
    if (found == by_key_.end() || !holds(found->second, parent, part)) break;
    Block& block = at(found->second);
    if (block.num_refs++ == 0) {
      remove(cached_, found->second);
      --num_cached_;
    }
    table.push_back(found->second);
    ids.push_back(block.id);
    parent = block.id;
  }
}

int32_t BlockPool::allocate() {
  CHECK(num_available() > 0);
  int32_t block = free_.front;
  if (block != kNone) {
    remove(free_, block);
    --num_free_;
  } else {
    block = cached_.front;
    remove(cached_, block);
    --num_cached_;
    withdraw(block);
  }
  Block& b = at(block);
  b.num_refs = 1;
  ++b.generation;
  return block;
}

void BlockPool::withdraw(int32_t block) {
  Block& b = at(block);
  const auto entry = by_key_.find(b.key);
  CHECK(b.published && entry != by_key_.end() && entry->second == block);
  by_key_.erase(entry);
  b.published = false;
}

void BlockPool::release(int32_t block) {
  Block& b = at(block);
  CHECK(b.num_refs > 0, "block {} is not referenced", block);
  if (--b.num_refs > 0) return;
  push_back(b.published ? cached_ : free_, block);
  ++(b.published ? num_cached_ : num_free_);
}

void BlockPool::release_all(std::vector<int32_t>& table) {
  for (auto block = table.rbegin(); block != table.rend(); ++block) release(*block);
  table.clear();
}

PrefixId BlockPool::publish(int32_t block, const PrefixId& parent,
                            std::span<const int32_t> tokens) {
  if (!config_.enable_prefix_caching || !parent.known()) return {};
  Block& b = at(block);
  CHECK(b.num_refs > 0 && !b.published && tokens.size() == static_cast<size_t>(config_.block_size));
  const BlockKey key = key_of(parent, tokens);
  const auto [entry, inserted] = by_key_.try_emplace(key, block);
  if (!inserted) return holds(entry->second, parent, tokens) ? at(entry->second).id : PrefixId{};
  b.published = true;
  b.key = key;
  b.parent = parent;
  b.id = {0, ++last_id_};  // the high part of a root is not 0
  std::copy(tokens.begin(), tokens.end(),
            tokens_.begin() + static_cast<std::ptrdiff_t>(block) * config_.block_size);
  return b.id;
}

void BlockPool::check_lists(std::vector<int>& seen) const {
  int num_free = 0, num_cached = 0;
  for (int32_t block = free_.front; block != kNone;
       block = blocks_[static_cast<size_t>(block)].next) {
    ++seen[static_cast<size_t>(block)], ++num_free;
    CHECK(!is_published(block) && num_refs(block) == 0, "free-or-cached");
  }
  for (int32_t block = cached_.front; block != kNone;
       block = blocks_[static_cast<size_t>(block)].next) {
    ++seen[static_cast<size_t>(block)], ++num_cached;
    CHECK(is_published(block) && num_refs(block) == 0, "free-or-cached");
  }
  CHECK(num_free == num_free_ && num_cached == num_cached_, "one-list: {} {} {} {}", num_free,
        num_free_, num_cached, num_cached_);
}

void BlockPool::check_invariants(std::span<const std::vector<int32_t>* const> tables) const {
  std::vector<int> refs(blocks_.size()), seen(blocks_.size());
  for (const std::vector<int32_t>* table : tables)
    for (const int32_t block : *table) {
      CHECK(block >= 0 && block < config_.num_blocks, "refs-counted");
      ++refs[static_cast<size_t>(block)];
    }
  check_lists(seen);
  size_t published = 0;
  for (size_t i = 0; i < blocks_.size(); ++i) {
    const Block& block = blocks_[i];
    CHECK(block.num_refs == refs[i], "refs-counted: block {}: {} references, in {} tables", i,
          block.num_refs, refs[i]);
    CHECK(seen[i] == (block.num_refs == 0 ? 1 : 0),
          "one-list: block {} with {} references is in {} lists", i, block.num_refs, seen[i]);
    if (!block.published) continue;
    ++published;
    const auto entry = by_key_.find(block.key);
    CHECK(entry != by_key_.end() && entry->second == static_cast<int32_t>(i), "key-finds-block");
    const auto begin = tokens_.begin() + static_cast<std::ptrdiff_t>(i) * config_.block_size;
    CHECK(key_of(block.parent, std::span(&*begin, static_cast<size_t>(config_.block_size))) ==
              block.key,
          "key-finds-block");
  }
  CHECK(published == by_key_.size(), "key-finds-block");
}

}  // namespace ember
