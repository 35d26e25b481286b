// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <random>

#include "ember/base/integers.h"
#include "kernels/attention.h"
#include "kernels/bench/attention_cases.h"
#include "kernels/bench/reference.h"
#include "kernels/common/layout.h"

namespace ember::kernels::bench {

namespace {

constexpr int32_t kNoBlock = INT32_MAX;
constexpr int kFreeBlocks = 3;
constexpr unsigned kSeed = 17;

size_t at(int i) { return static_cast<size_t>(i); }

struct Sequence {
  int q_len, kv_len;  // kv_len 0: padding
};

struct Case {
  const char* name = "";
  int head_dim = 64, group = 4, num_kv_heads = 2, window = 0;
  float softcap = 0;
  std::vector<Sequence> sequences = {};
  int num_decodes = 0;  // the first so many sequences; those of one token beyond are chunks
};

Case decodes(const char* name, std::initializer_list<int> lengths, Case c = {}) {
  c.name = name;
  for (const int n : lengths) c.sequences.push_back({1, n});
  c.num_decodes = static_cast<int>(c.sequences.size());
  return c;
}

Case chunks(const char* name, std::vector<Sequence> sequences, Case c = {}) {
  c.name = name;
  c.sequences = std::move(sequences);
  return c;
}

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  for (const int head_dim : {64, 96, 128, 256}) {
    cases.push_back(decodes("decode", {1, 63, 64, 65, 257, 513}, {.head_dim = head_dim}));
    cases.push_back(
        chunks("prefill", {{40, 40}, {35, 185}, {1, 131}, {65, 66}}, {.head_dim = head_dim}));
    cases.push_back(decodes("capped decode", {5, 330},
                            {.head_dim = head_dim, .group = 3, .window = 70, .softcap = 3}));
    cases.push_back(chunks("capped prefill", {{40, 40}, {3, 185}},
                           {.head_dim = head_dim, .group = 3, .window = 70, .softcap = 3}));
  }
  for (const int group : {1, 2, 3, 5, 7, 8, 16, 32, 64}) {
    cases.push_back(decodes("decode", {1, 70, 330}, {.group = group, .num_kv_heads = 1}));
    cases.push_back(chunks("prefill", {{17, 90}, {9, 9}}, {.group = group, .num_kv_heads = 1}));
  }
  for (const int window : {1, 63, 64, 65, 200}) {
    cases.push_back(decodes("decode", {1, 64, 65, 330}, {.group = 3, .window = window}));
    cases.push_back(chunks("prefill", {{70, 70}, {33, 300}, {2, 129}}, {.window = window}));
  }
  cases.push_back(decodes("padded decode", {5, 0, 300, 0, 0}));
  cases.push_back(decodes("decode of many", {7,  70, 1,   64, 65,  3,  128, 129, 9, 20,
                                             31, 33, 192, 2,  193, 40, 50,  60,  4, 5}));
  Case mixed = chunks("decode and prefill", {{1, 300}, {1, 0}, {1, 64}, {40, 140}, {3, 3}, {1, 77}},
                      {.head_dim = 128});
  mixed.num_decodes = 3;
  cases.push_back(mixed);
  return cases;
}

// A step on the device, and on the host what it is made of. What a sequence holds depends on its
// length alone, so that it is the same in every company.
class Step {
 public:
  // Room for sequences of up to max_kv_len.
  Step(const StreamRef& stream, DType dtype, const Case& c, int max_kv_len)
      : stream_(stream),
        dtype_(dtype),
        c_(c),
        pages_(ceil_div(max_kv_len, kBlockTokens)),
        num_blocks_(num_seqs() * pages_ + kFreeBlocks),
        pool_(at(num_blocks_) * block_elements(), kNan16) {
    for (const Sequence& s : c.sequences) num_tokens_ += s.q_len;
    shape_ = {.dtype = dtype,
              .num_heads = num_heads(),
              .num_kv_heads = c.num_kv_heads,
              .head_dim = c.head_dim,
              .scale = 1.0f / std::sqrt(static_cast<float>(c.head_dim)),
              .softcap = c.softcap,
              .window = c.window,
              .max_seqs = num_seqs(),
              .max_tokens = num_tokens_,
              .max_model_len = max_kv_len};
    pool_there_ = std::make_unique<Buffer>(pool_.size() * 2);
    qkv_there_ = std::make_unique<Buffer>(at(num_tokens_) * qkv_stride() * 2);
    out_there_ = std::make_unique<Buffer>(at(num_tokens_ + 1) * out_stride() * 2);
    arrays_there_ = std::make_unique<Buffer>(num_array_elements() * 4);
    workspace_ = std::make_unique<Buffer>(attention_workspace_bytes(stream, shape_));
    set_lengths(c.sequences);
  }

  // The same numbers of tokens, other lengths.
  void set_lengths(const std::vector<Sequence>& sequences) {
    c_.sequences = sequences;
    fill();
    pool_there_->write(stream_.handle, pool_);
    qkv_there_->write(stream_.handle, qkv_);
    arrays_there_->write(stream_.handle, arrays_);
    const std::vector<uint16_t> canaries(out_there_->bytes / 2, kCanary);
    out_there_->write(stream_.handle, canaries);
  }

  void launch() const {
    int max_q_len = 1;
    for (const Sequence& s : c_.sequences) max_q_len = std::max(max_q_len, s.q_len);
    const auto* q_starts = arrays_there_->as<int32_t>();
    const AttentionBatch batch{.q_starts = q_starts,
                               .kv_lens = q_starts + num_seqs() + 1,
                               .block_tables = q_starts + 2 * num_seqs() + 1,
                               .table_stride = pages_,
                               .num_seqs = num_seqs(),
                               .num_decodes = c_.num_decodes,
                               .num_tokens = num_tokens_,
                               .max_q_len = max_q_len,
                               .max_kv_len = shape_.max_model_len};
    plan_attention(stream_, shape_, batch, workspace_->data);
    attention(stream_, shape_, batch, out_there_->data, static_cast<int64_t>(out_stride()),
              qkv_there_->data, static_cast<int64_t>(qkv_stride()), pool_there_->data,
              workspace_->data);
  }

  // [tokens + 1][out_stride()]: the last row is nobody's.
  std::vector<uint16_t> result() const {
    return out_there_->read<uint16_t>(stream_.handle, out_there_->bytes / 2);
  }
  size_t out_stride() const { return at(num_heads() * c_.head_dim + 8); }

  CaseResult compare(const std::vector<uint16_t>& out) const {
    CaseResult r{.kernel = "attention", .shape = describe()};
    const double allowed = dtype_ == DType::kF16 ? 4e-3 : 3e-2;
    const auto miss = [&](double difference) {
      if (!(difference <= 1e30)) difference = 1e30;  // a NaN is the worst
      r.largest_difference = std::max(r.largest_difference, difference);
    };
    int token = 0;
    for (int s = 0; s < num_seqs(); ++s) {
      const auto [q_len, kv_len] = c_.sequences[at(s)];
      for (int i = 0; i < q_len; ++i, ++token) {
        if (kv_len == 0) continue;
        for (int head = 0; head < num_heads(); ++head) {
          const std::vector<double> exact = reference(s, token, kv_len - q_len + i, head);
          const uint16_t* row = out.data() + at(token) * out_stride() + at(head * c_.head_dim);
          for (size_t d = 0; d < exact.size(); ++d) {
            r.largest = std::max(r.largest, std::abs(exact[d]));
            miss(std::abs(value(row[d]) - exact[d]));
          }
        }
      }
    }
    for (size_t i = 0; i < out.size(); ++i)
      if (out[i] == kCanary ? is_result(i) : !is_result(i)) miss(INFINITY);
    r.right = r.largest_difference <= allowed;
    return r;
  }

  std::string describe() const {
    std::string text = format("%s, head_dim %d, group %d", c_.name, c_.head_dim, c_.group);
    if (c_.window > 0) text += format(", window %d", c_.window);
    if (c_.softcap > 0) text += format(", capped at %g", static_cast<double>(c_.softcap));
    return text;
  }

 private:
  int num_seqs() const { return static_cast<int>(c_.sequences.size()); }
  int num_heads() const { return c_.group * c_.num_kv_heads; }
  size_t qkv_stride() const { return at((c_.group + 2) * c_.num_kv_heads * c_.head_dim); }
  size_t block_elements() const { return at(2 * c_.num_kv_heads * kBlockTokens * c_.head_dim); }
  size_t num_array_elements() const { return at(2 * num_seqs() + 1 + num_seqs() * pages_); }
  double value(uint16_t bits) const { return double{half_value(dtype_, bits)}; }
  uint16_t bits(float v) const { return half_bits(dtype_, v); }
  size_t place(int block, int kv, int head, int row, int d) const {
    return static_cast<size_t>(kv_slab(block, kv, head, c_.num_kv_heads, c_.head_dim)) +
           at(kv_slab_offset(c_.head_dim, row, d));
  }

  void fill() {
    arrays_.assign(num_array_elements(), kNoBlock);
    arrays_[0] = 0;
    qkv_.assign(at(num_tokens_) * qkv_stride(), kNan16);
    std::ranges::fill(pool_, kNan16);
    std::vector<int> order(at(num_blocks_));
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), std::mt19937(kSeed));
    int token = 0;
    for (int s = 0; s < num_seqs(); ++s) {
      const auto [q_len, kv_len] = c_.sequences[at(s)];
      arrays_[at(s + 1)] = arrays_[at(s)] + q_len;
      arrays_[at(num_seqs() + 1 + s)] = kv_len;
      const int first_seen = c_.window > 0 ? std::max(0, kv_len - q_len - c_.window + 1) : 0;
      for (int page = first_seen / kBlockTokens; page * kBlockTokens < kv_len; ++page) {
        const int block = order[at(s * pages_ + page)];
        arrays_[at(2 * num_seqs() + 1 + s * pages_ + page)] = block;
        fill_block(block, page, kv_len);
      }
      for (int i = 0; i < q_len; ++i, ++token) fill_query(token, kv_len - q_len + i);
    }
  }

  // Values that nobody has written are finite, keys are anything.
  void fill_block(int block, int page, int kv_len) {
    std::mt19937 random(kSeed + static_cast<unsigned>(kv_len * 1000 + page));
    std::normal_distribution<float> normal(0, 1);
    for (int head = 0; head < c_.num_kv_heads; ++head)
      for (int row = 0; row < kBlockTokens; ++row) {
        const bool written = page * kBlockTokens + row < kv_len;
        for (int d = 0; d < c_.head_dim; ++d) {
          pool_[place(block, 0, head, row, d)] = written ? bits(normal(random)) : kNan16;
          pool_[place(block, 1, head, row, d)] = bits(written ? normal(random) : 900.0f);
        }
      }
  }

  void fill_query(int token, int position) {
    std::mt19937 random(kSeed * 31 + static_cast<unsigned>(position + 1));
    std::normal_distribution<float> normal(0, 1);
    uint16_t* row = qkv_.data() + at(token) * qkv_stride();
    for (int i = 0; i < num_heads() * c_.head_dim; ++i) row[i] = bits(normal(random));
  }

  std::vector<double> reference(int seq, int token, int position, int head) const {
    const auto key_or_value = [&](int kv, int key, int d) {
      const int block = arrays_[at(2 * num_seqs() + 1 + seq * pages_ + key / kBlockTokens)];
      return value(pool_[place(block, kv, head / c_.group, key % kBlockTokens, d)]);
    };
    const uint16_t* q = qkv_.data() + at(token) * qkv_stride() + at(head * c_.head_dim);
    const int first = c_.window > 0 ? std::max(0, position - c_.window + 1) : 0;
    return attention_row(
        c_.head_dim, first, position, double{shape_.scale}, double{c_.softcap},
        [&](int d) { return value(q[d]); }, [&](int key, int d) { return key_or_value(0, key, d); },
        [&](int key, int d) { return key_or_value(1, key, d); });
  }

  // Whether element i of the result is some sequence's.
  bool is_result(size_t i) const {
    const size_t token = i / out_stride(), column = i % out_stride();
    if (column >= out_stride() - 8 || token >= at(num_tokens_)) return false;
    const auto* end = arrays_.data() + num_seqs() + 1;
    const auto s =
        std::upper_bound(arrays_.data(), end, static_cast<int32_t>(token)) - arrays_.data() - 1;
    return c_.sequences[static_cast<size_t>(s)].kv_len > 0;
  }

  const StreamRef stream_;
  const DType dtype_;
  Case c_;
  int num_tokens_ = 0;
  const int pages_, num_blocks_;
  AttentionShape shape_;
  std::vector<uint16_t> pool_, qkv_;
  std::vector<int32_t> arrays_;  // q_starts, kv_lens, block tables
  std::unique_ptr<Buffer> pool_there_, qkv_there_, out_there_, arrays_there_, workspace_;
};

int longest(const std::vector<Sequence>& sequences) {
  int n = 1;
  for (const Sequence& s : sequences) n = std::max(n, s.kv_len);
  return n;
}

// Recorded with one batch's lengths, replayed with others, twice.
void check_replay(const StreamRef& stream, DType dtype, Case c,
                  const std::function<void(const CaseResult&)>& report) {
  const std::vector<std::vector<int>> lengths = {{1, 1, 0, 1}, {700, 64, 5, 0}, {65, 700, 0, 129}};
  const auto with = [](const std::vector<int>& of) {
    std::vector<Sequence> sequences;
    for (const int n : of) sequences.push_back({1, n});
    return sequences;
  };
  c.sequences = with(lengths[0]);
  c.num_decodes = static_cast<int>(c.sequences.size());
  Step step(stream, dtype, c, 700);
  step.launch();  // loads what recording could not
  const Recorded recorded(stream.handle, [&] { step.launch(); });
  for (const std::vector<int>& of : lengths) {
    step.set_lengths(with(of));
    recorded.launch();
    CaseResult r = step.compare(step.result());
    r.shape += format(", recorded, lengths up to %d", *std::ranges::max_element(of));
    report(r);
  }
}

// A decode's bits in a batch against those it has alone.
void check_alone(const StreamRef& stream, DType dtype, Case together,
                 const std::function<void(const CaseResult&)>& report) {
  Step all(stream, dtype, together, 700);
  all.launch();
  const std::vector<uint16_t> batch = all.result();
  CaseResult r{.kernel = "attention", .shape = all.describe() + ", alone as in a batch"};
  for (size_t s = 0; s < together.sequences.size(); ++s) {
    Case one = together;
    one.sequences = {together.sequences[s]};
    one.num_decodes = 1;
    Step alone(stream, dtype, one, 700);
    alone.launch();
    const std::vector<uint16_t> got = alone.result();
    for (size_t i = 0; i < all.out_stride() - 8; ++i)
      r.largest_difference += got[i] != batch[s * all.out_stride() + i];
  }
  r.right = r.largest_difference == 0;
  report(r);
}

}  // namespace

void check_attention_cases(const StreamRef& stream, DType dtype,
                           const std::function<void(const CaseResult&)>& report) {
  for (const Case& c : all_cases()) {
    Step step(stream, dtype, c, longest(c.sequences));
    step.launch();
    report(step.compare(step.result()));
  }
  for (const int head_dim : {64, 96, 128, 256}) {
    check_replay(stream, dtype, {.name = "decode", .head_dim = head_dim}, report);
    check_alone(stream, dtype,
                decodes("decode", {700, 3, 65, 257, 1, 64, 129}, {.head_dim = head_dim}), report);
  }
}

}  // namespace ember::kernels::bench
