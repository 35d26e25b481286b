// SPDX-License-Identifier: Apache-2.0
// The draw: an argmax of logit / temperature + Gumbel noise over the tokens that a cut has left.
#pragma once

#include "ember/base/philox.h"
#include "kernels/sample_search.cuh"

namespace ember::kernels {

// -log(-log(u)) of u = uniform_of_words(high, low), to 1e-4. Near 1 the distance from 1 is what
// keeps its digits.
EMBER_DEVICE float rough_gumbel(uint32_t high, uint32_t low) {
  const float u =
      static_cast<float>(high) * 0x1p-32f + (static_cast<float>(low >> 12) + 0.5f) * 0x1p-52f;
  const float rest = static_cast<float>(~high) * 0x1p-32f +
                     (static_cast<float>(~low >> 12) + 0.5f) * 0x1p-52f;  // 1 - u
  const float series =
      rest * (1.0f + rest * (0.5f + rest * (1.0f / 3 +
                                            rest * (0.25f + rest * (0.2f + rest * (1.0f / 6))))));
  return -__logf(rest < 0.125f ? series : -__logf(u));
}

// As the CPU backend computes it, in float64.
EMBER_DEVICE double exact_score(float v, float max_logit, double inverse, double u) {
  return (static_cast<double>(v) - max_logit) * inverse - log(-log(u));
}

struct Draw {
  double score = -INFINITY;
  int token = -1;
};

struct Likelier {
  __device__ Draw operator()(const Draw& a, const Draw& b) const {
    return a.score > b.score || (a.score == b.score &&
                                 static_cast<unsigned>(a.token) < static_cast<unsigned>(b.token))
               ? a
               : b;
  }
};

struct RoughScore {
  float value = -INFINITY;
};

struct Larger {
  __device__ RoughScore operator()(RoughScore a, RoughScore b) const {
    return a.value > b.value ? a : b;
  }
};

// f(token, v, score, u) for this thread's tokens whose codes are at or above `cut`: the rough
// score, and a function giving the exact uniform.
template <class Team, class F>
EMBER_DEVICE void each_score(const Team& team, const Slice& slice, const SampleRow& p,
                             float max_logit, uint64_t cut, F f) {
  const float inverse = 1.0f / p.temperature;
  each_four(team, slice, [&](int i, const float(&v)[4]) {
#pragma unroll
    for (int j = 0; j < 4; j += 2) {
      const int token = slice.first + i + j;  // even: slices begin at multiples of 64
      const bool left[2] = {code_of(v[j], token) >= cut, code_of(v[j + 1], token + 1) >= cut};
      if (!left[0] && !left[1]) continue;
      const PhiloxWords r = noise_of_pair(p.seed, p.position, static_cast<uint32_t>(token) / 2);
#pragma unroll
      for (int k = 0; k < 2; ++k)
        if (left[k])
          f(token + k, v[j + k],
            (v[j + k] - max_logit) * inverse + rough_gumbel(r.word[2 * k], r.word[2 * k + 1]),
            r.word[2 * k], r.word[2 * k + 1]);
    }
  });
}

// The token drawn from those at or above `cut`. Noise in float64 is dear, so all are scored in
// float32 and only those within its error of the best again in float64: rarely more than one of the
// whole row.
template <class Team>
EMBER_DEVICE int draw_token(Team& team, const Slice& slice, const SampleRow& p, float max_logit,
                            uint64_t cut) {
  constexpr float kMargin = 2e-3f;  // twice the error of a rough score that could win: it lies less
                                    // than 41 below the greatest logit
  struct Seen {
    int token;
    float v, score;
    uint32_t high, low;
  };
  Seen best = {-1, 0, -INFINITY, 0, 0};
  float second = -INFINITY;
  each_score(team, slice, p, max_logit, cut,
             [&](int token, float v, float score, uint32_t high, uint32_t low) {
               if (score > best.score) {
                 second = best.score;
                 best = {token, v, score, high, low};
               } else if (score > second) {
                 second = score;
               }
             });
  const float bound = team.reduce(RoughScore{best.score}, Larger{}).value - kMargin;
  const double inverse = 1.0 / p.temperature;
  Draw draw;
  const auto consider = [&](int token, float v, float score, uint32_t high, uint32_t low) {
    if (score >= bound)
      draw = Likelier{}(draw,
                        {exact_score(v, max_logit, inverse, uniform_of_words(high, low)), token});
  };
  if (second >= bound)
    each_score(team, slice, p, max_logit, cut, consider);
  else if (best.token >= 0)
    consider(best.token, best.v, best.score, best.high, best.low);
  return team.reduce(draw, Likelier{}).token;
}

}  // namespace ember::kernels
