// SPDX-License-Identifier: Apache-2.0
// One row of logits to its token, by one team of CTAs.
#pragma once

#include "kernels/sample.h"
#include "kernels/sample_draw.cuh"

namespace ember::kernels {

template <class Team>
struct SampleShared {
  TeamShared<Team::kThreads> team;
  SearchShared<Team> search;
};

struct RowStats {
  uint64_t best = kNothing;       // the greatest code
  uint64_t raw_best = kNothing;   // the same before the mask
  uint64_t least = ~uint64_t{0};  // the least code of a finite logit
  uint32_t finite = 0;            // how many those are
  uint32_t nan = 0;

  __device__ void add(uint64_t code, float v) {
    best = code > best ? code : best;
    nan |= v != v ? 1u : 0u;
    if (code < kLeastFinite) return;
    least = code < least ? code : least;
    ++finite;
  }
  __device__ int token() const { return nan != 0 || best < kLeastFinite ? -1 : token_of(best); }
};

struct MergeStats {
  __device__ RowStats operator()(const RowStats& a, const RowStats& b) const {
    RowStats r;
    r.best = a.best > b.best ? a.best : b.best;
    r.raw_best = a.raw_best > b.raw_best ? a.raw_best : b.raw_best;
    r.least = a.least < b.least ? a.least : b.least;
    r.finite = a.finite + b.finite;
    r.nan = a.nan | b.nan;
    return r;
  }
};

// Copies the raw logits to the slice that will be adjusted, minus infinity where the mask forbids.
template <class Team>
EMBER_DEVICE RowStats load_slice(Team& team, const Slice& raw, float* values,
                                 const uint32_t* mask) {
  RowStats stats;
  each_four(team, raw, [&](int i, const float(&v)[4]) {
    const uint32_t allowed =
        mask == nullptr ? ~0u : mask[(raw.first + i) / 32] >> (raw.first + i) % 32;
    float kept[4];
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      kept[j] = allowed >> j & 1 ? v[j] : -INFINITY;
      if (i + j >= raw.size) continue;  // what lies behind the row is minus infinity already
      const uint64_t code = code_of(v[j], raw.first + i + j);
      stats.raw_best = code > stats.raw_best ? code : stats.raw_best;
      stats.nan |= v[j] != v[j] ? 1u : 0u;
      stats.add(allowed >> j & 1 ? code : code_of(-INFINITY, raw.first + i + j), kept[j]);
    }
    *reinterpret_cast<float4*>(values + i) = make_float4(kept[0], kept[1], kept[2], kept[3]);
  });
  return team.reduce(stats, MergeStats{});
}

EMBER_DEVICE float penalized(float logit, const SampleRow& p, int output_count) {
  // Intrinsics, so that no product and sum are fused: the bits are those of the CPU.
  if (p.repetition_penalty != 1.0f)
    logit =
        logit > 0 ? __fdiv_rn(logit, p.repetition_penalty) : __fmul_rn(logit, p.repetition_penalty);
  if (output_count > 0)
    logit = __fsub_rn(logit,
                      __fadd_rn(p.presence_penalty,
                                __fmul_rn(p.frequency_penalty, static_cast<float>(output_count))));
  return logit;
}

EMBER_DEVICE bool has_penalties(const SampleRow& p) {
  return p.repetition_penalty != 1.0f || p.presence_penalty != 0.0f || p.frequency_penalty != 0.0f;
}

// Bias, banned tokens, penalties, in this order, on the tokens that lie in this CTA's slice. The
// mask was applied before: minus infinity stays what it is under all of them.
template <class Team>
EMBER_DEVICE void adjust_slice(const Team& team, float* values, const Slice& slice,
                               const SampleRow& p, const SampleLists& lists,
                               const int32_t* previous, int64_t stride_of_seen) {
  const auto logit = [&](int token) {
    const unsigned i = static_cast<unsigned>(token - slice.first);
    return i < static_cast<unsigned>(slice.size) ? values + i : nullptr;
  };
  for (int i = team.thread(); i < p.bias_count; i += Team::kThreads) {
    const TokenBias bias = lists.bias[p.bias_begin + i];
    if (float* l = logit(bias.token)) *l += bias.bias;
  }
  __syncthreads();
  for (int i = team.thread(); i < p.banned_count; i += Team::kThreads)
    if (volatile float* l = logit(lists.ids[p.banned_begin + i])) *l = -INFINITY;  // also twice
  __syncthreads();
  if (!has_penalties(p)) return;
  // From here on a thread reads and writes the tokens that each_four gives it, and no others.
  const int pending = p.pending >= 0 ? previous[p.pending] : -1;
  const uint32_t* seen = p.seen >= 0 ? lists.seen + p.seen * stride_of_seen + slice.first : nullptr;
  for (int i = 4 * team.thread(); i < slice.size; i += 4 * Team::kThreads) {
    uint4 four = make_uint4(0, 0, 0, 0);
    if (seen != nullptr) four = *reinterpret_cast<const uint4*>(seen + i);
    const uint32_t known[4] = {four.x, four.y, four.z, four.w};
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      if (i + j >= slice.size) continue;
      const int token = slice.first + i + j;
      int count = static_cast<int>(known[j] & ~kSeenInPrompt) + (token == pending ? 1 : 0);
      for (int d = 0; d < p.draft_count; ++d)
        count += lists.ids[p.draft_begin + d] == token ? 1 : 0;
      if (known[j] != 0 || count > 0) values[i + j] = penalized(values[i + j], p, count);
    }
  }
}

// The cut that top-k, top-p and min-p leave, each on what the one before left.
template <class Team>
EMBER_DEVICE uint64_t filter_cut(Team& team, SampleShared<Team>& shared, const Slice& slice,
                                 const SampleRow& p, const RowStats& stats) {
  const float max_logit = value_of(stats.best);
  uint64_t cut = kLeastFinite;
  uint32_t left = stats.finite;
  if (p.top_k > 0 && static_cast<uint32_t>(p.top_k) < left) {
    left = static_cast<uint32_t>(p.top_k);
    cut = find_cut(team, shared.search, slice, ByCount{}, stats.least, stats.best + 1, stats.finite,
                   left);
  }
  if (p.top_p < 1.0f) {
    const ByMass mass{max_logit, 1.0f / p.temperature};
    uint64_t total = 0;
    each_token(team, slice, [&](uint64_t code, float v) { total += code >= cut ? mass(v) : 0; });
    total = team.reduce(total, Plus{});
    const double share = ceil(static_cast<double>(p.top_p) * static_cast<double>(total));
    const uint64_t target = share < 1                             ? 1
                            : share >= static_cast<double>(total) ? total
                                                                  : static_cast<uint64_t>(share);
    cut = find_cut(team, shared.search, slice, mass, cut > stats.least ? cut : stats.least,
                   stats.best + 1, left, target);
  }
  if (p.min_p > 0) {
    const double inverse = 1.0 / p.temperature;
    const uint64_t likely = find_value_cut(team, shared.search, max_logit, [&](float v) {
      return !(exp((static_cast<double>(v) - max_logit) * inverse) < static_cast<double>(p.min_p));
    });
    cut = likely > cut ? likely : cut;
  }
  return cut;
}

template <class Team>
EMBER_DEVICE int choose_token(Team& team, SampleShared<Team>& shared, const Slice& slice,
                              const SampleRow& p, const RowStats& stats) {
  constexpr float kGreedy = 1e-5f;  // below this the second most likely token has no chance left
  const int best = stats.token();
  if (best < 0 || p.temperature < kGreedy || fabsf(value_of(stats.best)) == INFINITY) return best;
  return draw_token(team, slice, p, value_of(stats.best),
                    filter_cut(team, shared, slice, p, stats));
}

// The model's own distribution, before any adjustment.
struct Logprobs {
  double total = 0;  // log(sum(exp(logits)))
  float max_logit = 0;
  int rank = 0;

  // Plus infinity is certain, then nothing else has any probability.
  __device__ float of(float logit) const {
    if (fabsf(max_logit) == INFINITY) return logit == max_logit ? 0.0f : -INFINITY;
    return static_cast<float>(logit - total);
  }
};

struct MassAndRank {
  double mass = 0;
  uint32_t rank = 0;
};

struct AddMassAndRank {
  __device__ MassAndRank operator()(const MassAndRank& a, const MassAndRank& b) const {
    return {a.mass + b.mass, a.rank + b.rank};
  }
};

template <class Team>
EMBER_DEVICE Logprobs find_logprobs(Team& team, const Slice& raw, uint64_t raw_best,
                                    uint64_t chosen) {
  Logprobs result;
  result.max_logit = value_of(raw_best);
  MassAndRank sum;
  each_four(team, raw, [&](int i, const float(&v)[4]) {
    float mass = 0;
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      mass += expf(v[j] - result.max_logit);
      sum.rank += i + j < raw.size && code_of(v[j], raw.first + i + j) > chosen ? 1u : 0u;
    }
    sum.mass += mass;
  });
  sum = team.reduce(sum, AddMassAndRank{});
  result.total = result.max_logit + log(sum.mass);
  result.rank = static_cast<int>(sum.rank) + 1;
  return result;
}

// Leaves the n most likely codes of the row in shared.search.list.all of every CTA, in any order.
template <class Team>
EMBER_DEVICE void list_most_likely(const Team& team, SampleShared<Team>& shared, const Slice& raw,
                                   uint64_t raw_best, int vocab, int n) {
  const uint64_t least = code_of(-INFINITY, vocab - 1);
  const uint64_t cut = find_cut(team, shared.search, raw, ByCount{}, least, raw_best + 1,
                                static_cast<uint32_t>(vocab), static_cast<uint64_t>(n));
  list_codes(team, shared.search, raw, ByCount{}, cut, raw_best + 1);
}

// Row `row` of the arguments; `values` has room for this CTA's slice. Every thread of the team
// calls it.
template <class Team>
EMBER_DEVICE void sample_row(Team& team, SampleShared<Team>& shared, const SampleArgs& args,
                             int row, float* values, int slice_size) {
  const SampleRow& p = args.params[row];
  const float* logits = args.logits + row * args.stride;
  const int first = team.cta() * slice_size, rest = args.vocab - first;
  const int size = rest < 0 ? 0 : rest < slice_size ? rest : slice_size;
  const Slice raw{logits + first, first, size, reinterpret_cast<uintptr_t>(logits) % 16 == 0};
  const Slice slice{values, first, size, true};
  const bool given = p.given_token >= 0;
  const uint32_t* mask = given || p.mask < 0 ? nullptr
                                             : args.lists.masks + static_cast<int64_t>(p.mask) *
                                                                      args.lists.mask_stride;

  RowStats stats = load_slice(team, raw, values, mask);
  const uint64_t raw_best = stats.raw_best;
  int token = -1;
  if (stats.nan == 0 && raw_best >= kLeastFinite) {
    if (!given && (p.bias_count > 0 || p.banned_count > 0 || has_penalties(p))) {
      adjust_slice(team, values, slice, p, args.lists, args.previous, seen_stride(args.vocab));
      stats = {};
      each_token(team, slice, [&](uint64_t code, float v) { stats.add(code, v); });
      stats = team.reduce(stats, MergeStats{});
    }
    token = given ? p.given_token : choose_token(team, shared, slice, p, stats);
  }

  const bool logprobs = token >= 0 && (given || p.num_logprobs >= 0);
  int num_top = logprobs && p.num_logprobs > 0 ? p.num_logprobs : 0;
  num_top = num_top < args.vocab ? num_top : args.vocab;
  num_top = num_top < kMaxTopLogprobs ? num_top : kMaxTopLogprobs;
  Logprobs found;
  if (logprobs) found = find_logprobs(team, raw, raw_best, code_of(logits[token], token));
  if (num_top > 0) list_most_likely(team, shared, raw, raw_best, args.vocab, num_top);
  if (team.cta() != 0 || team.warp() != 0) return;

  SampledRow& out = args.out[row];
  if (team.lane() < num_top) {
    const uint64_t code = shared.search.list.all[team.lane()];
    int place = 0;
    for (int i = 0; i < num_top; ++i) place += shared.search.list.all[i] > code ? 1 : 0;
    out.top_token[place] = token_of(code);
    out.top_logprob[place] = found.of(value_of(code));
  }
  if (team.lane() == 0) {
    out.token = token;
    out.logprob = logprobs ? found.of(logits[token]) : 0.0f;
    out.rank = found.rank;
    out.num_top = num_top;
    args.tokens[args.first_row + row] = token;
  }
}

}  // namespace ember::kernels
