// SPDX-License-Identifier: Apache-2.0
// The online softmax of attention: its state, and the two rows of scores and sums that a lane holds
// in the accumulators of a tensor-core product.
#pragma once

#include "kernels/common/numeric.cuh"

namespace ember::kernels {

// Factor for what was weighted relative to `maximum`, once it counts relative to `top`.
EMBER_DEVICE float rebase(float maximum, float top) { return exp2_approx(maximum - top); }

// tanh of score * cap_scale / (2 log2(e)); a NaN stays one.
EMBER_DEVICE float cap_score(float score, float cap_scale) {
  return 1.0f - __fdividef(2.0f, 1.0f + exp2_approx(score * cap_scale));
}

// One query's softmax over keys that come piece by piece. Exponentials are powers of two relative
// to the largest score so far, so that none overflows. Scores are multiplied by `scale` where they
// are taken: `maximum` is not.
struct SoftmaxState {
  float maximum = -INFINITY;
  float total = 0;  // of the exponentials

  // Takes `top`, the maximum of the scores so far and the new ones. Sets `base`, which weight()
  // subtracts, and returns the factor for everything that was summed before. No key seen yet: base
  // 0, so that weights are 0 and not NaN.
  EMBER_DEVICE float raise(float top, float scale, float& base) {
    base = top == -INFINITY ? 0.0f : top * scale;
    const float keep = exp2_approx(maximum * scale - base);
    maximum = top;
    total *= keep;
    return keep;
  }
  static EMBER_DEVICE float weight(float score, float scale, float base) {
    return exp2_approx(fmaf(score, scale, -base));
  }
};

// The factors of what two pieces of a row's keys have come to, once they count relative to the
// larger of their (scaled) maxima. The sums of a piece in which the row sees no key are 0: added,
// they leave the other's as they are.
struct PieceFactors {
  float top, earlier, later;

  EMBER_DEVICE PieceFactors(float earlier_top, float later_top)
      : top(fmaxf(earlier_top, later_top)) {
    const float base = top == -INFINITY ? 0.0f : top;
    earlier = rebase(earlier_top, base);
    later = rebase(later_top, base);
  }
  EMBER_DEVICE float add(float a, float b) const { return fmaf(b, later, a * earlier); }
};

// Rows r and r + 8 of a 16-row tile, as a lane of mma.sync or wgmma holds them: element i of an
// array is in row (i / 2) % 2 and column i / 4 * 8 + i % 2 from the lane's first one on. Four
// neighbouring lanes share a row.
struct SoftmaxRows {
  SoftmaxState row[2];

  // Hides keys later than a row's own, and those that its window no longer reaches (0: no window).
  // last[r]: the largest key that row r sees, as a column.
  template <int kScores>
  static EMBER_DEVICE void mask(float (&scores)[kScores], const int (&last)[2], int window) {
#pragma unroll
    for (int i = 0; i < kScores; ++i) {
      const int key = i / 4 * 8 + i % 2, limit = last[i / 2 % 2];
      if (key > limit || (window > 0 && key <= limit - window)) scores[i] = -INFINITY;
    }
  }

  template <int kScores>
  static EMBER_DEVICE void cap(float (&scores)[kScores], float cap_scale) {
    if (cap_scale == 0) return;
#pragma unroll
    for (int i = 0; i < kScores; ++i) scores[i] = cap_score(scores[i], cap_scale);
  }

  // Turns scores into weights. keep[r]: the factor for what row r summed before.
  template <int kScores>
  EMBER_DEVICE void add(float (&scores)[kScores], float scale, float (&keep)[2]) {
    float base[2], sum[2] = {0, 0};
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      float top = row[r].maximum;
#pragma unroll
      for (int i = r * 2; i < kScores; i += 4) top = fmaxf(top, fmaxf(scores[i], scores[i + 1]));
      top = fmaxf(top, __shfl_xor_sync(~0u, top, 1));
      top = fmaxf(top, __shfl_xor_sync(~0u, top, 2));
      keep[r] = row[r].raise(top, scale, base[r]);
    }
#pragma unroll
    for (int i = 0; i < kScores; ++i) {
      scores[i] = SoftmaxState::weight(scores[i], scale, base[i / 2 % 2]);
      sum[i / 2 % 2] += scores[i];
    }
#pragma unroll
    for (int r = 0; r < 2; ++r) row[r].total += sum[r];
  }

  template <int kSums>
  static EMBER_DEVICE void rescale(float (&sums)[kSums], const float (&keep)[2]) {
#pragma unroll
    for (int i = 0; i < kSums; ++i) sums[i] *= keep[i / 2 % 2];
  }

  // Writes row r of `sums`, divided by its total, from out(r) on, which is at column l % 4 * 8;
  // null: the row is not written. The totals become those of the whole row. 16 bytes a lane: the
  // four lanes of a row exchange their pairs of columns, four at a time. A zero is positive, so
  // that adding the zeros of other pieces changes no bit.
  template <class T, int kSums, class Out>
  EMBER_DEVICE void store(const float (&sums)[kSums], int lane, const Out& out) {
    static_assert(kSums % 16 == 0);
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      row[r].total += __shfl_xor_sync(~0u, row[r].total, 1);
      row[r].total += __shfl_xor_sync(~0u, row[r].total, 2);
      T* to = out(r);
      const float factor = 1.0f / row[r].total;
#pragma unroll
      for (int i = 0; i < kSums / 4; i += 4) {
        uint32_t pairs[4];
#pragma unroll
        for (int j = 0; j < 4; ++j)
          pairs[j] = pack<T>(fmaf(sums[(i + j) * 4 + r * 2], factor, 0.0f),
                             fmaf(sums[(i + j) * 4 + r * 2 + 1], factor, 0.0f));
        transpose_quad<1>(pairs, lane);
        transpose_quad<2>(pairs, lane);
        if (to != nullptr) {
          *reinterpret_cast<uint4*>(to + i * 8) =
              make_uint4(pairs[0], pairs[1], pairs[2], pairs[3]);
        }
      }
    }
  }

 private:
  // Element a of lane b becomes element b of lane a, as far as their bit kBit goes.
  template <int kBit>
  static EMBER_DEVICE void transpose_quad(uint32_t (&v)[4], int lane) {
#pragma unroll
    for (int low = 0; low < 4; ++low) {
      if ((low & kBit) != 0) continue;
      const bool upper = (lane & kBit) != 0;
      const uint32_t other = __shfl_xor_sync(~0u, upper ? v[low] : v[low | kBit], kBit);
      if (upper)
        v[low] = other;
      else
        v[low | kBit] = other;
    }
  }
};

}  // namespace ember::kernels
