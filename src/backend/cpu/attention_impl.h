// SPDX-License-Identifier: Apache-2.0
// Attention, written once over Vec (16 floats); included after kernels_impl.h, inside the namespace
// of an instruction set. Uses nothing of the standard library either.

// Up to kAttentionRows rows: scaled queries, and the state of their online softmax so far.
struct AttentionRows {
  int count;
  float* q;                                        // [kAttentionRows][head_dim]
  float* sums;                                     // [kAttentionRows][head_dim]
  float* scores;                                   // [kAttentionRows][kAttentionKeys]
  int begin[kAttentionRows], end[kAttentionRows];  // positions that the row sees
  float max[kAttentionRows], total[kAttentionRows];
};

// Scores of the keys of one segment, 16 at a time, for the first R rows; what a row does not see is
// minus infinity.
template <int R>
inline void score_keys(const AttentionArgs& args, const AttentionRows& rows, int segment, int end) {
  const Vec nothing = splat(-__builtin_inff());
  for (int first = segment; first < end; first += kLanes) {
    Vec scores[R];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) scores[r] = zero();
    // 16 positions are one row of a block's keys, or lie in several smaller blocks: then they are
    // gathered.
    float gathered[kLanes];
    const int offset = first % args.block_size;
    const bool whole = offset + kLanes <= args.block_size;
    const float* k =
        args.k + args.block_table[first / args.block_size] * args.k_block_stride + offset;
    for (int d = 0; d < args.head_dim; ++d) {
      if (!whole) {
        for (int i = 0; i < kLanes; ++i) {
          const int position = first + i < end ? first + i : end - 1;
          gathered[i] = args.k[args.block_table[position / args.block_size] * args.k_block_stride +
                               d * args.block_size + position % args.block_size];
        }
      }
      const Vec keys = whole ? load(k + d * args.block_size) : load(gathered);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r)
        scores[r] = fma(splat(rows.q[r * args.head_dim + d]), keys, scores[r]);
    }
    if (args.softcap > 0)
      for (int r = 0; r < rows.count; ++r) scores[r] = softcap_vec(scores[r], args.softcap);
    for (int r = 0; r < rows.count; ++r) {
      const int from = rows.begin[r] - first, to = rows.end[r] - first;
      store(rows.scores + r * kAttentionKeys + (first - segment),
            keep_lanes(scores[r],
                       from < 0        ? 0
                       : from > kLanes ? kLanes
                                       : from,
                       to < 0        ? 0
                       : to > kLanes ? kLanes
                                     : to,
                       nothing));
    }
  }
  const int padded = (end - segment + kLanes - 1) / kLanes * kLanes;
  for (int r = 0; r < rows.count; ++r)
    for (int i = padded; i < kAttentionKeys; i += kLanes)
      store(rows.scores + r * kAttentionKeys + i, nothing);
}

// Scores become weights exp(score - maximum so far); earlier sums are brought to the new maximum.
inline void weigh(const AttentionArgs& args, AttentionRows& rows, int r) {
  float* scores = rows.scores + r * kAttentionKeys;
  Vec max_score = load(scores);
  for (int i = kLanes; i < kAttentionKeys; i += kLanes)
    max_score = max(max_score, load(scores + i));
  const float segment_max = max_lanes(max_score);
  if (segment_max == -__builtin_inff()) {  // sees none of these keys
    for (int i = 0; i < kAttentionKeys; i += kLanes) store(scores + i, zero());
    return;
  }
  const float new_max = segment_max > rows.max[r] ? segment_max : rows.max[r];
  Vec total = zero();
  for (int i = 0; i < kAttentionKeys; i += kLanes) {
    const Vec weight = exp_vec(sub(load(scores + i), splat(new_max)));
    store(scores + i, weight);
    total = add(total, weight);
  }
  float correction[kLanes];
  store(correction, exp_vec(splat(rows.max[r] - new_max)));
  rows.total[r] = rows.total[r] * correction[0] + sum_lanes(total);
  rows.max[r] = new_max;
  float* sums = rows.sums + r * args.head_dim;
  for (int d = 0; d < args.head_dim; ++d) sums[d] *= correction[0];
}

// sums += weights * values, for the first R rows.
template <int R>
inline void add_values(const AttentionArgs& args, const AttentionRows& rows, int segment, int begin,
                       int end) {
  for (int d = 0; d < args.head_dim; d += kLanes) {
    const int64_t width = args.head_dim - d < kLanes ? args.head_dim - d : kLanes;
    Vec sums[R];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) sums[r] = load_some(rows.sums + r * args.head_dim + d, width);
    for (int position = begin; position < end; ++position) {
      const float* v = args.v + args.block_table[position / args.block_size] * args.v_block_stride +
                       (position % args.block_size) * args.head_dim + d;
      const Vec values = width == kLanes ? load(v) : load_some(v, width);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r)
        sums[r] =
            fma(splat(rows.scores[r * kAttentionKeys + (position - segment)]), values, sums[r]);
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) store_some(rows.sums + r * args.head_dim + d, sums[r], width);
  }
}

template <int R>
inline void attend(const AttentionArgs& args, AttentionRows& rows) {
  int begin = rows.begin[0], end = rows.end[0];
  for (int r = 1; r < rows.count; ++r) {
    begin = rows.begin[r] < begin ? rows.begin[r] : begin;
    end = rows.end[r] > end ? rows.end[r] : end;
  }
  for (int segment = begin / kAttentionKeys * kAttentionKeys; segment < end;
       segment += kAttentionKeys) {
    const int segment_end = segment + kAttentionKeys < end ? segment + kAttentionKeys : end;
    score_keys<R>(args, rows, segment, segment_end);
    for (int r = 0; r < rows.count; ++r) weigh(args, rows, r);
    add_values<R>(args, rows, segment, segment < begin ? begin : segment, segment_end);
  }
}

void attention(const AttentionArgs& args) {
  AttentionRows rows;
  rows.q = args.scratch;
  rows.sums = rows.q + kAttentionRows * args.head_dim;
  rows.scores = rows.sums + kAttentionRows * args.head_dim;
  const int total = args.num_tokens * args.num_heads;
  for (int first = 0; first < total; first += kAttentionRows) {
    rows.count = total - first < kAttentionRows ? total - first : kAttentionRows;
    for (int i = 0; i < kAttentionRows * args.head_dim; ++i) rows.q[i] = rows.sums[i] = 0;
    for (int i = 0; i < kAttentionRows * kAttentionKeys; ++i) rows.scores[i] = 0;
    for (int r = 0; r < rows.count; ++r) {
      const int token = (first + r) / args.num_heads, head = (first + r) % args.num_heads;
      const float* q = args.q + token * args.q_stride + head * args.head_dim;
      for (int d = 0; d < args.head_dim; ++d) rows.q[r * args.head_dim + d] = q[d] * args.scale;
      const int position = args.first_position + token;
      rows.end[r] = position + 1;
      rows.begin[r] =
          args.window > 0 && position + 1 > args.window ? position + 1 - args.window : 0;
      rows.max[r] = -__builtin_inff();
      rows.total[r] = 0;
    }
    if (rows.count == 1)
      attend<1>(args, rows);
    else if (rows.count == 2)
      attend<2>(args, rows);
    else if (rows.count <= 4)
      attend<4>(args, rows);
    else
      attend<kAttentionRows>(args, rows);
    for (int r = 0; r < rows.count; ++r) {
      float* y = args.y + (first + r) / args.num_heads * args.y_stride +
                 (first + r) % args.num_heads * args.head_dim;
      for (int d = 0; d < args.head_dim; ++d)
        y[d] = rows.sums[r * args.head_dim + d] / rows.total[r];
    }
  }
}
