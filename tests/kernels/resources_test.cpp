// SPDX-License-Identifier: Apache-2.0
// How many CTAs of each kernel fit a multiprocessor, from kernels/resources.json (which
// scripts/check_kernel_resources.py compares with the compiler) and the toolkit's own occupancy
// calculator: what the kernels' design assumes.
#include <cuda_occupancy.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "kernels/attention_decode_sm80.cuh"
#include "kernels/attention_decode_sm90.cuh"
#include "kernels/attention_prefill_sm80.cuh"
#include "kernels/attention_prefill_sm90.cuh"
#include "kernels/emulator_stream.h"
#include "kernels/gemm_sm80.cuh"
#include "kernels/gemm_sm90.cuh"
#include "kernels/sample_row.cuh"

namespace ember::kernels {
namespace {

struct Device {
  int major, minor;
  size_t shared_per_sm, shared_per_cta;
};
constexpr Device kH100{9, 0, 228 * 1024, 227 * 1024}, kA100{8, 0, 164 * 1024, 163 * 1024},
    kA10{8, 6, 100 * 1024, 99 * 1024};

int ctas_per_sm(const Device& device, int registers, int threads, size_t dynamic_shared) {
  cudaOccDeviceProp p{};
  p.computeMajor = device.major;
  p.computeMinor = device.minor;
  p.maxThreadsPerBlock = 1024;
  p.maxThreadsPerMultiprocessor = device.minor == 6 ? 1536 : 2048;
  p.regsPerBlock = p.regsPerMultiprocessor = 65536;
  p.warpSize = 32;
  p.sharedMemPerBlock = 48 * 1024;
  p.sharedMemPerMultiprocessor = device.shared_per_sm;
  p.sharedMemPerBlockOptin = device.shared_per_cta;
  p.reservedSharedMemPerBlock = 1024;
  p.numSms = 1;
  cudaOccFuncAttributes a{};
  a.maxThreadsPerBlock = 1024;
  a.numRegs = registers;
  a.partitionedGCConfig = PARTITIONED_GC_OFF;
  a.shmemLimitConfig = FUNC_SHMEM_LIMIT_OPTIN;
  a.maxDynamicSharedSizeBytes = device.shared_per_cta;
  a.numBlockBarriers = 4;
  cudaOccDeviceState state{};
  state.cacheConfig = CACHE_PREFER_SHARED;
  state.carveoutConfig = 100;
  cudaOccResult result{};
  EXPECT_EQ(
      cudaOccMaxActiveBlocksPerMultiprocessor(&result, &p, &a, &state, threads, dynamic_shared),
      CUDA_OCC_SUCCESS);
  return result.activeBlocksPerMultiprocessor;
}

const nlohmann::json& table() {
  static const nlohmann::json json =
      nlohmann::json::parse(std::ifstream(EMBER_SOURCE_DIR "/kernels/resources.json"));
  return json;
}

void expect_ctas(const char* arch, const Device& device, const std::string& name, int threads,
                 size_t shared, int wanted) {
  for (const char* type : {"__half", "__nv_bfloat16"}) {
    const std::string full =
        name.substr(0, name.find('T')) + type + name.substr(name.find('T') + 1);
    ASSERT_TRUE(table()["ptxas"][arch].contains(full)) << full;
    EXPECT_EQ(ctas_per_sm(device, table()["ptxas"][arch][full]["registers"], threads, shared),
              wanted)
        << full << " on " << device.major << "." << device.minor;
  }
}

template <int kRows, int kTokens>
void expect_gemm() {
  using Tile = GemmTile<kRows, kTokens>;
  for (int epilogue = 0; epilogue < 5; ++epilogue)
    expect_ctas("sm_90a", kH100,
                "gemm_sm90_kernel<T, " + std::to_string(epilogue) + ", GemmTile<" +
                    std::to_string(kRows) + ", " + std::to_string(kTokens) + "> >",
                Tile::kThreads, Tile::kSharedBytes, Tile::kCtasPerSm);
}

template <int kRows, int kTokens>
void expect_gemm80() {
  using Tile = GemmTile80<kRows, kTokens>;
  for (int epilogue = 0; epilogue < 5; ++epilogue) {
    const std::string name = "gemm_sm80_kernel<T, " + std::to_string(epilogue) + ", GemmTile80<" +
                             std::to_string(kRows) + ", " + std::to_string(kTokens) + "> >";
    expect_ctas("sm_80", kA100, name, Tile::kThreads, Tile::kSharedBytes, Tile::kCtasPerSm);
    expect_ctas("sm_80", kA10, name, Tile::kThreads, Tile::kSharedBytes, 1);
  }
}

TEST(Resources, Gemm) {
  expect_gemm<64, 8>();
  expect_gemm<64, 16>();
  expect_gemm<128, 32>();
  expect_gemm<128, 64>();
  expect_gemm<128, 128>();
  expect_gemm<128, 256>();
  expect_gemm80<64, 8>();
  expect_gemm80<64, 32>();
  expect_gemm80<64, 64>();
  expect_gemm80<128, 128>();
}

// That what a launch takes for the number of CTAs is what the calculator says.
void expect_grid(const Device& device, size_t shared, int most, int wanted) {
  const StreamRef stream = emulator_stream(device.major * 10 + device.minor);
  EXPECT_EQ(stream.shared_per_sm, device.shared_per_sm);
  EXPECT_EQ(ctas_per_sm(stream, shared, most), wanted);
}

template <class Tile>
void expect_decode(const char* arch, const Device& device, const char* loader, int wanted) {
  const std::string name = "decode_kernel<T, DecodeTile<" + std::to_string(Tile::kHeadDim) + ", " +
                           std::to_string(Tile::kStages) + ", " + std::to_string(Tile::kCtasPerSm) +
                           ", " + std::to_string(Tile::kEights) + ">, " + loader + ">";
  expect_ctas(arch, device, name, kDecodeThreads, Tile::shared_bytes(8), wanted);
  expect_grid(device, Tile::shared_bytes(8), Tile::kCtasPerSm, wanted);
}

// For narrow and wide groups.
template <int kHeadDim, int kStages>
void expect_decodes(const char* arch, const Device& device, const char* loader, int wanted) {
  expect_decode<DecodeTile<kHeadDim, kStages, 2, 1>>(arch, device, loader, wanted);
  expect_decode<DecodeTile<kHeadDim, kStages, 2, 2>>(arch, device, loader, wanted);
}

TEST(Resources, Decode) {
  expect_decodes<64, 6>("sm_90a", kH100, "BulkLoader", 2);
  expect_decodes<96, 4>("sm_90a", kH100, "BulkLoader", 2);
  expect_decodes<128, 3>("sm_90a", kH100, "BulkLoader", 2);
  expect_decode<DecodeTile<256, 3, 1, 1>>("sm_90a", kH100, "BulkLoader", 1);
  expect_decodes<64, 4>("sm_80", kA100, "CpAsyncLoader", 2);
  expect_decodes<128, 2>("sm_80", kA100, "CpAsyncLoader", 2);
  expect_decode<DecodeTile<256, 2, 1, 1>>("sm_80", kA100, "CpAsyncLoader", 1);
  expect_decodes<64, 4>("sm_80", kA10, "CpAsyncLoader", 1);
  expect_decodes<96, 3>("sm_80", kA10, "CpAsyncLoader", 1);
  expect_decodes<128, 2>("sm_80", kA10, "CpAsyncLoader", 1);
  expect_decode<DecodeTile<256, 1, 1, 1>>("sm_80", kA10, "CpAsyncLoader", 1);
  EXPECT_GT((DecodeTile<256, 2, 1, 1>::shared_bytes(8)), kA10.shared_per_cta);
}

template <int kHeadDim>
void expect_prefill(int wanted_a10) {
  const std::string dim = std::to_string(kHeadDim);
  expect_ctas("sm_90a", kH100, "prefill_sm90_kernel<T, PrefillShape<" + dim + "> >",
              PrefillShape<kHeadDim>::kThreads, PrefillShape<kHeadDim>::kSharedBytes, 1);
  expect_ctas("sm_80", kA10, "prefill_sm80_kernel<T, PrefillShape80<" + dim + "> >",
              PrefillShape80<kHeadDim>::kThreads, PrefillShape80<kHeadDim>::kSharedBytes,
              wanted_a10);
  expect_grid(kA10, PrefillShape80<kHeadDim>::kSharedBytes, PrefillShape80<kHeadDim>::kCtasPerSm,
              wanted_a10);
}

TEST(Resources, Prefill) {
  expect_prefill<64>(2);
  expect_prefill<96>(2);
  expect_prefill<128>(2);
  expect_prefill<256>(1);
}

TEST(Resources, Sample) {
  const int registers = table()["ptxas"]["sm_90a"]["sample_kernel<Team<8, 256> >"]["registers"];
  const size_t slice = 16064 * sizeof(float);  // an eighth of 128256 tokens
  EXPECT_EQ(ctas_per_sm(kH100, registers, 256, sizeof(SampleShared<Team<8, 256>>) + slice), 3);
}

}  // namespace
}  // namespace ember::kernels
