// SPDX-License-Identifier: Apache-2.0
// Products with bfloat16 weights in the tiles of AMX (TDPBF16PS); everything else is as with
// AVX-512. Compiled for its instruction set alone (see isa.cmake).
//
// TDPBF16PS multiplies bfloat16 (8 bits of significand) and adds up in float. A float has 24 bits,
// so it is the sum of three bfloat16, and its product with a weight is the sum of three exact
// products. Only what lies below 2^-126 is lost, which AMX takes for zero.
#include <immintrin.h>

#include "cpu/kernel_tables.h"
#include "cpu/vec_avx512.h"

namespace ember::cpu {

namespace {

using namespace avx512;
#include "cpu/outputs_impl.h"

constexpr int kRows = 16,
              kStep =
                  32;  // a tile of inputs: rows and k; one of weights: k / 2 pairs and 16 outputs
constexpr int64_t kTile = kRows * kStep;  // bfloat16 in a tile
constexpr int64_t kLinesOfTile = 16;      // cache lines
constexpr int64_t kStepsAhead =
    4;  // that weights which are read in order are fetched before they are needed
constexpr int kParts = 3;
constexpr int64_t kRowsAtOnce = 128, kStepsAtOnce = 16,
                  kBlocksAtOnce = 16;  // what of inputs, k and outputs stays in the cache
static_assert(kSplitRows == kRows && kPaddedInputs == kStep && kBlockOutputs == 2 * kRows);

// A thread's memory: sums [block][row tile][half][16][16], of each subtree that waits and of the
// newest leaf.
constexpr int64_t kSums = kRows * kRows, kSumFloats = kRowsAtOnce * kBlocksAtOnce * kBlockOutputs;

// Tile registers: sums 0 to 3, inputs 4 and 5, weights 6 and 7. Fewer rows of inputs and sums take
// less time.
struct alignas(64) TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t column_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
struct TileConfigs {
  constexpr TileConfigs() {
    for (int rows = 1; rows < kRows; ++rows)
      for (int tile = 0; tile < 6; ++tile) of_rows[rows].rows[tile] = static_cast<uint8_t>(rows);
  }
  TileConfig of_rows[kRows + 1];
};
constexpr TileConfigs kConfigs;

__m512 upper(__m512 x) {
  return _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(-65536)));
}

// x = parts[0] + parts[1] + parts[2], each a bfloat16, by cutting off; infinities are in the first
// part alone.
void split16(__m512 x, __m512 (&parts)[kParts]) {
  parts[0] = upper(x);
  const __m512 rest =
      _mm512_maskz_sub_ps(_mm512_cmp_ps_mask(x, parts[0], _CMP_NEQ_UQ), x, parts[0]);
  parts[1] = upper(rest);
  parts[2] = _mm512_sub_ps(rest, parts[1]);
}

// Where the inputs of kRowsAtOnce rows from `row` on begin, over kStepsAtOnce steps from `step` on.
// What is used together lies together: [group of rows][group of steps][row
// tile][step][part][row][k].
int64_t parts_index(const LinearArgs& args, int64_t row, int64_t step) {
  const int64_t begin = row / kRowsAtOnce * kRowsAtOnce,
                rows = args.rows - begin < kRowsAtOnce ? args.rows - begin : kRowsAtOnce;
  return parts_size(begin, args.in) + parts_size(rows, step * kStep);
}
int64_t steps_together(const LinearArgs& args, int64_t step) {
  const int64_t left = round_up(args.in, kStep) / kStep - step;
  return left < kStepsAtOnce ? left : kStepsAtOnce;
}

void split(const LinearArgs& args, int64_t first_row) {
  const __m512i upper_words =
      _mm512_set_epi16(63, 61, 59, 57, 55, 53, 51, 49, 47, 45, 43, 41, 39, 37, 35, 33,  //
                       31, 29, 27, 25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
  for (int64_t r = 0; r < kSplitRows && first_row + r < args.rows; ++r)
    for (int64_t k = 0; k < args.in; k += kStep) {
      const int64_t n = args.in - k < kStep ? args.in - k : kStep, step = k / kStep,
                    group = step / kStepsAtOnce * kStepsAtOnce;
      uint16_t* tile =
          args.parts + parts_index(args, first_row, group) +
          (first_row % kRowsAtOnce / kRows * steps_together(args, group) + step - group) * kParts *
              kTile;
      const auto mask = static_cast<uint32_t>((uint64_t{1} << n) - 1);
      const float* x = args.x + (first_row + r) * args.x_stride + k;
      __m512 low[kParts], high[kParts];
      split16(_mm512_maskz_loadu_ps(static_cast<__mmask16>(mask), x), low);
      split16(_mm512_maskz_loadu_ps(static_cast<__mmask16>(mask >> 16), x + 16), high);
      for (int part = 0; part < kParts; ++part)
        _mm512_storeu_si512(tile + part * kTile + r * kStep,
                            _mm512_permutex2var_epi16(_mm512_castps_si512(low[part]), upper_words,
                                                      _mm512_castps_si512(high[part])));
    }
}

// What will be needed soon, fetched into the cache. A few lines between multiplications do not hold
// them up, many at once do.
struct Ahead {
  const char* at;
  int64_t lines;  // in a third of a step
  void fetch() {
    for (int64_t i = 0; i < lines; ++i, at += 64) _mm_prefetch(at, _MM_HINT_T1);
  }
};

// sums[Tiles][2] += inputs * weights over some steps of k; the inputs of the second row tile lie
// x_tile behind those of the first.
template <int Tiles>
void multiply(const uint16_t* x, int64_t x_tile, const uint16_t* w, float* sums, int64_t steps,
              bool first, Ahead& next_weights, Ahead& next_inputs) {
  constexpr int64_t kSumRow = kRows * sizeof(float), kRow = kStep * sizeof(uint16_t),
                    kWeightRow = 2 * kRow;
  if (first) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  } else {
    _tile_loadd(0, sums, kSumRow);
    _tile_loadd(1, sums + kSums, kSumRow);
    if constexpr (Tiles == 2) {
      _tile_loadd(2, sums + 2 * kSums, kSumRow);
      _tile_loadd(3, sums + 3 * kSums, kSumRow);
    }
  }
  for (int64_t step = 0; step < steps; ++step, x += kParts * kTile, w += 2 * kTile) {
    _tile_loadd(6, w, kWeightRow);
    _tile_loadd(7, w + kStep, kWeightRow);
#pragma GCC unroll 3
    for (int part = 0; part < kParts; ++part) {
      next_weights.fetch();
      next_inputs.fetch();
      _tile_loadd(4, x + part * kTile, kRow);
      _tile_dpbf16ps(0, 4, 6);
      _tile_dpbf16ps(1, 4, 7);
      if constexpr (Tiles == 2) {
        _tile_loadd(5, x + x_tile + part * kTile, kRow);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
      }
    }
  }
  _tile_stored(0, sums, kSumRow);
  _tile_stored(1, sums + kSums, kSumRow);
  if constexpr (Tiles == 2) {
    _tile_stored(2, sums + 2 * kSums, kSumRow);
    _tile_stored(3, sums + 3 * kSums, kSumRow);
  }
}

struct Range {
  int64_t begin, end;
};

// What the tasks are: all rows, or kRowsAtOnce of them, by some blocks of outputs; fewer blocks
// where threads would be left idle.
struct Plan {
  explicit Plan(const LinearArgs& args)
      : row_groups(round_up(args.rows, kRowsAtOnce) / kRowsAtOnce),
        blocks(round_up(args.out, kBlockOutputs) / kBlockOutputs) {
    const int64_t fair = blocks * row_groups / (int64_t{4} * args.num_threads);
    task_blocks = fair < 2 ? 2 : fair > kBlocksAtOnce ? kBlocksAtOnce : fair;
  }
  int64_t tasks() const { return row_groups * (round_up(blocks, task_blocks) / task_blocks); }
  Range rows(const LinearArgs& args, int64_t task) const {
    const int64_t begin = task % row_groups * kRowsAtOnce;
    return {begin, args.rows - begin < kRowsAtOnce ? args.rows : begin + kRowsAtOnce};
  }
  Range outputs(int64_t task) const {
    const int64_t begin = task / row_groups * task_blocks;
    return {begin, blocks - begin < task_blocks ? blocks : begin + task_blocks};
  }
  int64_t row_groups, blocks, task_blocks;
};

// The outputs of one block.
void finish(const LinearArgs& args, Range rows, int64_t block, const float* sums) {
  for (int64_t r = 0; r < rows.end - rows.begin; ++r)
    for (int64_t half = 0; half < 2; ++half)
      store_outputs(args, rows.begin + r, block * kBlockOutputs + half * kRows,
                    load(sums + ((r / kRows * 2 + half) * kRows + r % kRows) * kRows));
}

// All rows that a task has by some blocks: first over kStepsAtOnce steps, for which the inputs stay
// in the cache, and so on.
void multiply_blocks(const LinearArgs& args, Range rows, Range blocks, float* scratch) {
  const int64_t steps = round_up(args.in, kStep) / kStep,
                row_tiles = round_up(rows.end - rows.begin, kRows) / kRows,
                pairs = (row_tiles + 1) / 2;
  const int64_t num_blocks = blocks.end - blocks.begin, block_sums = row_tiles * 2 * kSums;
  // Each pair of row tiles fetches its share of the weights after these and of the inputs of the
  // next steps.
  const int64_t weight_lines = 2 * kLinesOfTile / (kParts * pairs) + 1;
  const int64_t input_lines =
      num_blocks == 1 ? 0 : kLinesOfTile * row_tiles / (pairs * num_blocks) + 1;
  float* top = scratch;  // sums of the newest leaf
  int leaf = 0;
  bool first = true;  // of the leaf
  for (int64_t step = 0, n = 0; step < steps; step += n) {
    const int64_t group = step / kStepsAtOnce * kStepsAtOnce,
                  together = steps_together(args, group), x_tile = together * kParts * kTile,
                  leaf_steps = round_up(leaf_end(args.leaves, leaf, args.in), kStep) / kStep;
    n = (group + together < leaf_steps ? group + together : leaf_steps) - step;
    const uint16_t* inputs_of_group = args.parts + parts_index(args, rows.begin, group);
    const uint16_t* x = inputs_of_group + (step - group) * kParts * kTile;
    Ahead inputs{reinterpret_cast<const char*>(inputs_of_group + row_tiles * x_tile), input_lines};
    for (int64_t block = blocks.begin; block < blocks.end; ++block) {
      const uint16_t* w =
          static_cast<const uint16_t*>(args.weights) + (block * steps + step) * 2 * kTile;
      Ahead weights{
          reinterpret_cast<const char*>(w + (num_blocks == 1 ? kStepsAhead : steps) * 2 * kTile),
          weight_lines};
      for (int64_t tile = 0; tile < row_tiles; tile += 2) {
        const uint16_t* tile_inputs = x + tile * x_tile;
        float* sums = top + (block - blocks.begin) * block_sums + tile * 2 * kSums;
        if (tile + 2 <= row_tiles)
          multiply<2>(tile_inputs, x_tile, w, sums, n, first, weights, inputs);
        else
          multiply<1>(tile_inputs, x_tile, w, sums, n, first, weights, inputs);
      }
    }
    first = step + n == leaf_steps;
    if (first) top = add_leaf(leaf++, top, num_blocks * block_sums);
  }
  for (int64_t i = 0; i < num_blocks; ++i)
    finish(args, rows, blocks.begin + i, scratch + i * block_sums);
}

bool in_tiles(const LinearArgs& args) { return args.dtype == DType::kBF16 && args.leaves.padded; }

int64_t linear_tasks(const LinearArgs& args) {
  return in_tiles(args) ? Plan(args).tasks() : avx512_kernels().linear_tasks(args);
}

void linear(const LinearArgs& args, int64_t task, float* scratch) {
  if (!in_tiles(args)) return avx512_kernels().linear(args, task, scratch);
  const Plan plan(args);
  const Range rows = plan.rows(args, task), outputs = plan.outputs(task);
  // Few rows: the weights come from memory and are read in order. Many: several blocks share what
  // the cache has of the inputs.
  const int64_t at_once = rows.end - rows.begin <= 2 * kRows ? 1 : outputs.end - outputs.begin;
  _tile_loadconfig(
      &kConfigs.of_rows[rows.end - rows.begin < kRows ? rows.end - rows.begin : kRows]);
  for (int64_t block = outputs.begin; block < outputs.end; block += at_once)
    multiply_blocks(args, rows, {block, block + at_once}, scratch);
  _tile_release();
}

}  // namespace

const Kernels& amx_kernels() {
  static const Kernels kernels = [] {
    Kernels k = avx512_kernels();
    k.linear_tasks = linear_tasks;
    k.linear = linear;
    if (k.linear_scratch < kLeafDepth * kSumFloats) k.linear_scratch = kLeafDepth * kSumFloats;
    k.split = split;
    return k;
  }();
  return kernels;
}

}  // namespace ember::cpu
