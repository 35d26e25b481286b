// SPDX-License-Identifier: Apache-2.0
// Attention, written once over Vec (16 floats); included after kernels_impl.h, inside the namespace
// of an instruction set. Uses nothing of the standard library either.
//
// A row is a token and a head. kAttentionRows of them go through the keys together, one segment
// after the other, so that a segment's keys and values come from the cache for all but the first of
// their tiles of kAttentionTile rows. A row's sums run over the positions in order, whatever its
// tile holds beside it.

// State of the online softmax of some rows.
struct AttentionRows {
  int64_t dim;                                     // from row to row of q and sums
  float* q;                                        // [kAttentionRows][dim] scaled queries
  float* sums;                                     // [kAttentionRows][dim]
  float* scores;                                   // [kAttentionTile][kAttentionKeys]
  float* gathered;                                 // [kAttentionKeys / kLanes][head_dim][kLanes]
  int begin[kAttentionRows], end[kAttentionRows];  // positions that the row sees
  float max[kAttentionRows], total[kAttentionRows];
};

constexpr int kKeyVecs = kAttentionKeys / kLanes;
static_assert(kAttentionTile <= kMaxAttentionTile && kMaxAttentionTile <= kLanes);

// Positions [begin, end). Vector v of the keys has positions begin + 16 v on, of which element d is
// at k[v] + d * k_stride[v].
struct Segment {
  int begin, end;
  const float* k[kKeyVecs];
  int64_t k_stride[kKeyVecs];
};

// 16 positions are a row of a block's keys, or lie in several smaller blocks: then they are copied.
inline Segment segment_of(const AttentionArgs& args, const AttentionRows& rows, int begin,
                          int end) {
  Segment s{.begin = begin, .end = end, .k = {}, .k_stride = {}};
  for (int v = 0; begin + v * kLanes < end; ++v) {
    const int first = begin + v * kLanes, offset = first % args.block_size;
    if (offset + kLanes <= args.block_size) {
      s.k[v] = args.k + args.block_table[first / args.block_size] * args.k_block_stride + offset;
      s.k_stride[v] = args.block_size;
      continue;
    }
    float* gathered = rows.gathered + int64_t{v} * args.head_dim * kLanes;
    for (int i = 0; i < kLanes; ++i) {
      const int position = first + i < end ? first + i : end - 1;
      const float* k = args.k + args.block_table[position / args.block_size] * args.k_block_stride +
                       position % args.block_size;
      for (int d = 0; d < args.head_dim; ++d) gathered[d * kLanes + i] = k[d * args.block_size];
    }
    s.k[v] = gathered;
    s.k_stride[v] = kLanes;
  }
  return s;
}

// Scores of V vectors of keys from vector `first` on, for R rows from `row` on; what a row does not
// see is minus infinity.
template <int R, int V>
inline void score_vectors(const AttentionArgs& args, const AttentionRows& rows, int row,
                          const Segment& s, int first) {
  Vec scores[R][V];
  const float* k[V];
#pragma GCC unroll 4
  for (int v = 0; v < V; ++v) {
    k[v] = s.k[first + v];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) scores[r][v] = zero();
  }
  const float* q = rows.q + row * rows.dim;
  for (int d = 0; d < args.head_dim; ++d) {
    Vec keys[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      keys[v] = load(k[v]);
      k[v] += s.k_stride[first + v];
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const Vec query = splat(q[r * rows.dim + d]);
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) scores[r][v] = fma(query, keys[v], scores[r][v]);
    }
  }
#pragma GCC unroll 4
  for (int v = 0; v < V; ++v)
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      Vec score = scores[r][v];
      if (args.softcap > 0) score = softcap_vec(score, args.softcap);
      const int position = s.begin + (first + v) * kLanes;
      const int from = rows.begin[row + r] - position, to = rows.end[row + r] - position;
      if (from > 0 || to < kLanes)
        score = keep_lanes(score,
                           from < 0        ? 0
                           : from > kLanes ? kLanes
                                           : from,
                           to < 0        ? 0
                           : to > kLanes ? kLanes
                                         : to,
                           splat(-__builtin_inff()));
      store(rows.scores + r * kAttentionKeys + (first + v) * kLanes, score);
    }
}

template <int R>
inline void score_keys(const AttentionArgs& args, const AttentionRows& rows, int row,
                       const Segment& s) {
  constexpr int V = kAttentionVecs<R>;
  const int count = (s.end - s.begin + kLanes - 1) / kLanes;
  int v = 0;
  for (; v + V <= count; v += V) score_vectors<R, V>(args, rows, row, s, v);
  for (; v < count; ++v) score_vectors<R, 1>(args, rows, row, s, v);
  for (; v < kKeyVecs; ++v)
    for (int r = 0; r < R; ++r)
      store(rows.scores + r * kAttentionKeys + v * kLanes, splat(-__builtin_inff()));
}

// Scores become weights exp(score - maximum so far). Returns by what earlier sums have to be
// multiplied for the new maximum: lane r is row r's.
template <int R>
inline Vec weigh(AttentionRows& rows, int row) {
  float before[kLanes] = {}, after[kLanes] = {};
  for (int r = 0; r < R; ++r) {
    const float* scores = rows.scores + r * kAttentionKeys;
    Vec most = load(scores);
#pragma GCC unroll 4
    for (int v = 1; v < kKeyVecs; ++v) most = max(most, load(scores + v * kLanes));
    const float segment_max = max_lanes(most);
    if (segment_max == -__builtin_inff()) continue;  // sees none of these keys
    before[r] = rows.max[row + r];
    after[r] = rows.max[row + r] =
        segment_max > rows.max[row + r] ? segment_max : rows.max[row + r];
  }
  float correction[kLanes];
  const Vec corrections = exp_vec(sub(load(before), load(after)));
  store(correction, corrections);
  for (int r = 0; r < R; ++r) {
    float* scores = rows.scores + r * kAttentionKeys;
    Vec total = zero();
#pragma GCC unroll 4
    for (int v = 0; v < kKeyVecs; ++v) {
      const Vec weight = exp_vec(sub(load(scores + v * kLanes), splat(after[r])));
      store(scores + v * kLanes, weight);
      total = add(total, weight);
    }
    rows.total[row + r] = rows.total[row + r] * correction[r] + sum_lanes(total);
  }
  return corrections;
}

// Elements [d, d + 16 V) of sums, or `width` of them where V is 1:
// sums = sums * correction + weights * values.
template <int R, int V>
inline void add_values(const AttentionArgs& args, const AttentionRows& rows, int row,
                       const Segment& s, int begin, const float* correction, int64_t d,
                       int64_t width) {
  float* at = rows.sums + row * rows.dim + d;
  Vec sums[R][V];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v)
      sums[r][v] = mul(load(at + r * rows.dim + v * kLanes), splat(correction[r]));
  for (int position = begin; position < s.end;) {
    const int offset = position % args.block_size, left = args.block_size - offset,
              stop = s.end - position < left ? s.end : position + left;
    const float* values = args.v +
                          args.block_table[position / args.block_size] * args.v_block_stride +
                          int64_t{offset} * args.head_dim + d;
    const float* weights = rows.scores + (position - s.begin);
    for (; position < stop; ++position, values += args.head_dim, ++weights) {
      Vec value[V];
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v)
        value[v] = width < kLanes ? load_some(values, width) : load(values + v * kLanes);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const Vec weight = splat(weights[r * kAttentionKeys]);
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) sums[r][v] = fma(weight, value[v], sums[r][v]);
      }
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) store(at + r * rows.dim + v * kLanes, sums[r][v]);
}

// R rows over what they see of a segment.
template <int R>
void attend(const AttentionArgs& args, AttentionRows& rows, int row, Segment s) {
  int begin = rows.begin[row], end = rows.end[row];
  for (int r = row + 1; r < row + R; ++r) {
    begin = rows.begin[r] < begin ? rows.begin[r] : begin;
    end = rows.end[r] > end ? rows.end[r] : end;
  }
  begin = begin > s.begin ? begin : s.begin;
  s.end = end < s.end ? end : s.end;
  if (begin >= s.end) return;
  score_keys<R>(args, rows, row, s);
  float correction[kLanes];
  store(correction, weigh<R>(rows, row));
  constexpr int V = kAttentionVecs<R>;
  int64_t d = 0;
  for (; d + V * kLanes <= args.head_dim; d += V * kLanes)
    add_values<R, V>(args, rows, row, s, begin, correction, d, kLanes);
  for (; d + kLanes <= args.head_dim; d += kLanes)
    add_values<R, 1>(args, rows, row, s, begin, correction, d, kLanes);
  if (d < args.head_dim)
    add_values<R, 1>(args, rows, row, s, begin, correction, d, args.head_dim - d);
}

template <int R>
inline void attend_some(const AttentionArgs& args, AttentionRows& rows, int row, int count,
                        const Segment& s, Count<R>) {
  if (count == R)
    attend<R>(args, rows, row, s);
  else
    attend_some(args, rows, row, count, s, Count<R - 1>{});
}
inline void attend_some(const AttentionArgs&, AttentionRows&, int, int, const Segment&, Count<0>) {}

// `count` rows from row `first` of the arguments on.
inline void attend_rows(const AttentionArgs& args, AttentionRows& rows, int first, int count) {
  int begin = args.first_position + 1, end = 0;
  for (int r = 0; r < count; ++r) {
    const int token = (first + r) / args.num_heads, head = (first + r) % args.num_heads;
    const float* q = args.q + token * args.q_stride + head * args.head_dim;
    for (int d = 0; d < args.head_dim; ++d) rows.q[r * rows.dim + d] = q[d] * args.scale;
    for (int64_t d = 0; d < rows.dim; ++d) rows.sums[r * rows.dim + d] = 0;
    rows.end[r] = args.first_position + token + 1;
    rows.begin[r] = args.window > 0 && rows.end[r] > args.window ? rows.end[r] - args.window : 0;
    rows.max[r] = -__builtin_inff();
    rows.total[r] = 0;
    begin = rows.begin[r] < begin ? rows.begin[r] : begin;
    end = rows.end[r];
  }
  for (int at = begin / kAttentionKeys * kAttentionKeys; at < end; at += kAttentionKeys) {
    const Segment s =
        segment_of(args, rows, at, at + kAttentionKeys < end ? at + kAttentionKeys : end);
    for (int r = 0; r < count; r += kAttentionTile)
      attend_some(args, rows, r, count - r < kAttentionTile ? count - r : kAttentionTile, s,
                  Count<kAttentionTile>{});
  }
  for (int r = 0; r < count; ++r) {
    float* y = args.y + (first + r) / args.num_heads * args.y_stride +
               (first + r) % args.num_heads * args.head_dim;
    for (int d = 0; d < args.head_dim; ++d) y[d] = rows.sums[r * rows.dim + d] / rows.total[r];
  }
}

void attention(const AttentionArgs& args) {
  AttentionRows rows;
  rows.dim = round_up(args.head_dim, kLanes);
  rows.q = args.scratch;
  rows.sums = rows.q + kAttentionRows * rows.dim;
  rows.scores = rows.sums + kAttentionRows * rows.dim;
  rows.gathered = rows.scores + kAttentionTile * kAttentionKeys;
  const int total = args.num_tokens * args.num_heads;
  for (int first = 0; first < total; first += kAttentionRows)
    attend_rows(args, rows, first, total - first < kAttentionRows ? total - first : kAttentionRows);
}
