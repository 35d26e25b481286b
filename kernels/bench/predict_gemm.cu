// SPDX-License-Identifier: Apache-2.0
#include "kernels/bench/predict_gemm.h"
#include "kernels/gemm_sm90.cuh"

namespace ember::kernels::bench {

namespace {

// Estimates: the first copy's way from memory, a tile's last additions and stores, two barriers of
// a cluster, and what a multiprocessor reads of its neighbours' shared memory between them.
constexpr double kFillUs = 0.9, kStoreUs = 0.5, kClusterUs = 0.8, kPeerBytesPerClock = 32;

template <class Tile>
KernelModel model_tile(const DeviceModel& device, int out, int in, int tokens, int split,
                       double bytes_out) {
  const int row_tiles = ceil_div(out, Tile::kRows * Tile::kPair) * Tile::kPair,
            token_tiles = ceil_div(tokens, Tile::kTokens), tiles = row_tiles * token_tiles,
            slots = Tile::kCtasPerSm * device.sms,
            makers = choose_makers<Tile>(device.sms, split, tiles / Tile::kPair),
            ctas = makers > 1 ? tiles * makers : std::min(tiles, slots);
  const double weights = 2.0 * out * in, x = 2.0 * tokens * in;
  // Blocks of 64 columns that the busiest multiprocessor multiplies.
  const double per_cta = static_cast<double>(ceil_div(in, 64)) *
                         (makers > 1 ? 1.0 / makers : static_cast<double>(ceil_div(tiles, ctas))),
               blocks = per_cta * ceil_div(ctas, device.sms);
  const double reads = Tile::kWarpgroups * 4 * (2048.0 + Tile::kTokens * 32);
  KernelModel k;
  k.bytes_dram = weights;
  k.bytes_l2 = weights * token_tiles + x * row_tiles / Tile::kPair + bytes_out;
  k.bytes_smem = blocks * (reads + Tile::kStageBytes);
  k.flops = blocks * 2.0 * Tile::kRows * Tile::kTokens * 64;
  k.blocks = ctas;
  k.blocks_per_sm = Tile::kCtasPerSm;
  k.block_bytes_in_flight = static_cast<double>(Tile::kStages) * Tile::kWeightBytes;
  k.fixed_us = kFillUs + kStoreUs;
  if (makers > 1)
    k.fixed_us += ceil_div(ctas, slots) * (kClusterUs + 4e6 * Tile::kRows * Tile::kTokens /
                                                            kPeerBytesPerClock / device.clock);
  return k;
}

}  // namespace

KernelModel model_gemm(const DeviceModel& device, int out, int in, int tokens, Epilogue epilogue) {
  const int split = gemm_parts(out, in);
  const double results = static_cast<double>(tokens) * out,
               bytes_out = epilogue == Epilogue::kLogits ? results * 4
                           : epilogue == Epilogue::kAdd  ? results * 4
                           : is_gated(epilogue)          ? results
                                                         : results * 2;
  KernelModel k;
  with_gemm_tile(split, tokens, [&]<class Tile>(Tile) {
    k = model_tile<Tile>(device, out, in, tokens, split, bytes_out);
  });
  return k;
}

}  // namespace ember::kernels::bench
