// SPDX-License-Identifier: Apache-2.0
#include "cpu/sample.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "ember/base/philox.h"

namespace ember::cpu {

namespace {

constexpr float kNegInf = -std::numeric_limits<float>::infinity();

// The largest logit, ties to the lowest id; -1 when one is NaN or none is above minus infinity.
// Plus infinity is certain.
int32_t argmax(std::span<const float> logits) {
  float max_logit = kNegInf;
  int32_t token = -1;
  bool nan = false;
  for (size_t i = 0; i < logits.size(); ++i) {
    nan = nan || logits[i] != logits[i];
    if (logits[i] > max_logit) {
      max_logit = logits[i];
      token = static_cast<int32_t>(i);
    }
  }
  return nan ? -1 : token;
}

// Greater logit first, then the lower id.
struct Likelier {
  const float* logits;
  bool operator()(int32_t a, int32_t b) const {
    return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
  }
};

void all_ids(std::vector<int32_t>& ids, size_t n) {
  ids.resize(n);
  for (size_t i = 0; i < n; ++i) ids[i] = static_cast<int32_t>(i);
}

// log(sum(exp(logits))), in double.
double log_sum_exp(std::span<const float> logits, float max_logit) {
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - max_logit);
  return max_logit + std::log(sum);
}

// The model's own distribution: of `token` where it is not -1, and the most likely ones.
void fill_logprobs(std::span<const float> logits, int num_logprobs, int32_t token,
                   SampledToken& out, SampleScratch& scratch) {
  const int32_t best = argmax(logits);
  if (best < 0) return;
  const float max_logit = logits[static_cast<size_t>(best)];
  const bool certain = std::isinf(max_logit);  // then nothing else has any probability
  const double total = certain ? 0 : log_sum_exp(logits, max_logit);
  const auto logprob = [&](int32_t id) {
    const float logit = logits[static_cast<size_t>(id)];
    return certain ? (logit == max_logit ? 0.0f : kNegInf) : static_cast<float>(logit - total);
  };
  const Likelier likelier{logits.data()};
  if (token >= 0) {
    out.logprob = logprob(token);
    out.token_rank = 1;
    for (size_t i = 0; i < logits.size(); ++i)
      out.token_rank += likelier(static_cast<int32_t>(i), token) ? 1 : 0;
  }
  out.top.clear();
  const size_t n = std::min(static_cast<size_t>(std::max(num_logprobs, 0)), logits.size());
  if (n == 0) return;
  all_ids(scratch.candidates, logits.size());
  std::partial_sort(scratch.candidates.begin(), scratch.candidates.begin() + static_cast<long>(n),
                    scratch.candidates.end(), likelier);
  for (size_t i = 0; i < n; ++i)
    out.top.push_back({scratch.candidates[i], logprob(scratch.candidates[i])});
}

void penalize(std::span<float> logits, const SamplingRow& row, int32_t pending,
              SampleScratch& scratch) {
  const SamplingParams& p = *row.params;
  const std::span<const int32_t> last(&pending, pending >= 0 ? 1 : 0);
  scratch.counts.resize(std::max(scratch.counts.size(), logits.size()));
  for (const auto ids : {row.output, row.draft, last})
    for (const int32_t id : ids) ++scratch.counts[static_cast<size_t>(id)];
  const auto repeat = [&](int32_t id) {
    float& logit = logits[static_cast<size_t>(id)];
    logit = logit > 0 ? logit / p.repetition_penalty : logit * p.repetition_penalty;
  };
  const auto penalize_once = [&](int32_t id) {
    int32_t& count = scratch.counts[static_cast<size_t>(id)];
    if (count <= 0) return;  // seen already
    if (p.repetition_penalty != 1.0f) repeat(id);
    logits[static_cast<size_t>(id)] -=
        p.presence_penalty + p.frequency_penalty * static_cast<float>(count);
    count = -count;
  };
  for (const auto ids : {row.output, row.draft, last})
    for (const int32_t id : ids) penalize_once(id);
  if (p.repetition_penalty != 1.0f)
    for (const int32_t id : row.prompt)
      if (int32_t& count = scratch.counts[static_cast<size_t>(id)]; count == 0) {
        repeat(id);
        count = -1;
      }
  for (const auto ids : {row.output, row.draft, last, row.prompt})
    for (const int32_t id : ids) scratch.counts[static_cast<size_t>(id)] = 0;
}

// Most masks are almost empty or almost full, so whole words are decided at once.
void apply_mask(std::span<float> logits, std::span<const uint32_t> mask) {
  for (size_t begin = 0; begin < logits.size(); begin += 32) {
    const uint32_t word = begin / 32 < mask.size() ? mask[begin / 32] : 0;
    if (word == ~0u) continue;
    for (size_t i = begin; i < std::min(begin + 32, logits.size()); ++i)
      if ((word >> (i - begin) & 1) == 0) logits[i] = kNegInf;
  }
}

void adjust(std::span<float> logits, const SamplingRow& row, int32_t pending,
            SampleScratch& scratch) {
  const SamplingParams& p = *row.params;
  for (const auto& [id, bias] : p.logit_bias) logits[static_cast<size_t>(id)] += bias;
  if (!p.allowed_token_ids.empty()) {
    auto allowed = p.allowed_token_ids.begin();
    for (size_t i = 0; i < logits.size(); ++i) {
      if (allowed != p.allowed_token_ids.end() && *allowed == static_cast<int32_t>(i))
        ++allowed;
      else
        logits[i] = kNegInf;
    }
  }
  for (const int32_t id : row.banned) logits[static_cast<size_t>(id)] = kNegInf;
  if (!row.mask.empty()) apply_mask(logits, row.mask);
  if (p.has_penalties()) penalize(logits, row, pending, scratch);
}

// Leaves in `candidates` those that top-k, top-p and min-p leave of all tokens with a finite logit.
void filter(std::span<const float> logits, const SamplingParams& p, float max_logit,
            std::vector<int32_t>& candidates) {
  candidates.clear();
  for (size_t i = 0; i < logits.size(); ++i)
    if (logits[i] > kNegInf) candidates.push_back(static_cast<int32_t>(i));
  const Likelier likelier{logits.data()};
  const double inverse = 1.0 / p.temperature;
  const auto weight = [&](int32_t id) {
    return std::exp((static_cast<double>(logits[static_cast<size_t>(id)]) - max_logit) * inverse);
  };
  if (p.top_k > 0 && static_cast<size_t>(p.top_k) < candidates.size()) {
    std::nth_element(candidates.begin(), candidates.begin() + p.top_k - 1, candidates.end(),
                     likelier);
    candidates.resize(static_cast<size_t>(p.top_k));
  }
  if (p.top_p < 1.0f) {
    double total = 0;
    std::sort(candidates.begin(),
              candidates.end());  // so that the sum does not depend on how they were selected
    for (const int32_t id : candidates) total += weight(id);
    const auto less_likely = [&](int32_t a, int32_t b) { return likelier(b, a); };
    std::make_heap(candidates.begin(), candidates.end(), less_likely);
    size_t kept = 0;
    for (double sum = 0;
         kept < candidates.size() && (kept == 0 || sum < static_cast<double>(p.top_p) * total);
         ++kept) {
      sum += weight(candidates.front());
      std::pop_heap(candidates.begin(), candidates.end() - static_cast<long>(kept), less_likely);
    }
    candidates.erase(candidates.begin(), candidates.end() - static_cast<long>(kept));
  }
  if (p.min_p > 0)
    std::erase_if(candidates,
                  [&](int32_t id) { return weight(id) < static_cast<double>(p.min_p); });
}

int32_t draw(std::span<const float> logits, const SamplingRow& row, float max_logit,
             const std::vector<int32_t>& candidates) {
  const double inverse = 1.0 / row.params->temperature;
  double best = -std::numeric_limits<double>::infinity();
  int32_t token = candidates.front();
  for (const int32_t id : candidates) {
    const double gumbel = -std::log(-std::log(
        uniform(row.params->seed, static_cast<uint64_t>(row.position), static_cast<uint32_t>(id))));
    const double value =
        (static_cast<double>(logits[static_cast<size_t>(id)]) - max_logit) * inverse + gumbel;
    if (value > best || (value == best && id < token)) {
      best = value;
      token = id;
    }
  }
  return token;
}

int32_t choose(std::span<float> logits, const SamplingRow& row, SampleScratch& scratch) {
  const int32_t best = argmax(logits);
  // Below this the second most likely token has no chance left even at the smallest difference of
  // floats.
  constexpr float kGreedy = 1e-5f;
  if (best < 0 || row.params->temperature < kGreedy ||
      std::isinf(logits[static_cast<size_t>(best)]))
    return best;
  const float max_logit = logits[static_cast<size_t>(best)];
  filter(logits, *row.params, max_logit, scratch.candidates);
  return draw(logits, row, max_logit, scratch.candidates);
}

}  // namespace

SampledToken sample_row(std::span<float> logits, const SamplingRow& row, int32_t pending,
                        SampleScratch& scratch) {
  SampledToken out;
  if (argmax(logits) < 0) return out;
  if (row.given_token >= 0) {
    out.token = row.given_token;
    fill_logprobs(logits, row.num_logprobs, out.token, out, scratch);
    return out;
  }
  if (row.num_logprobs < 0) {
    adjust(logits, row, pending, scratch);
    out.token = choose(logits, row, scratch);
    return out;
  }
  // The log probabilities are those before anything was adjusted, but of the token chosen after.
  scratch.raw.assign(logits.begin(), logits.end());
  adjust(logits, row, pending, scratch);
  out.token = choose(logits, row, scratch);
  if (out.token >= 0) fill_logprobs(scratch.raw, row.num_logprobs, out.token, out, scratch);
  return out;
}

}  // namespace ember::cpu
