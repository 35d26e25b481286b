// SPDX-License-Identifier: Apache-2.0
// Small runs of the kernels for tests that make mistakes on their behalf: each gives what was
// noticed, an error of the machine or a wrong result; empty: nothing.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "kernels/attention_case.h"
#include "kernels/gemm_case.h"

namespace ember::kernels {

// What `run` fails with; empty when it does not.
template <class Run>
std::string error_of(Run&& run) {
  try {
    run();
  } catch (const emu::Error& e) {
    return e.what();
  }
  return "";
}

// Whether what was noticed says so.
inline testing::AssertionResult says(const std::string& noticed, const std::string& words) {
  if (words.empty()) return testing::AssertionFailure() << "no words are demanded";
  if (noticed.empty()) return testing::AssertionFailure() << "nothing was noticed";
  if (noticed.find(words) != std::string::npos) return testing::AssertionSuccess();
  return testing::AssertionFailure() << '"' << noticed << "\" does not say \"" << words << '"';
}
#define EXPECT_SAYS(noticed, words) EXPECT_TRUE(says(noticed, words))

template <class CaseRun, class Case>
std::string noticed_in(const Case& c, unsigned seed) {
  CaseRun run(c, seed);
  const std::string error = error_of([&] { run.run(); });
  return error.empty() ? run.problem() : error;
}

inline std::string gemm_hopper(unsigned seed) {
  return noticed_in<GemmRun>(GemmCase{.sm = 90, .tokens = 12, .out = 1664, .in = 136}, seed);
}
inline std::string gemm_large(unsigned seed) {
  return noticed_in<GemmRun>(GemmCase{.sm = 90, .tokens = 100, .out = 256, .in = 400}, seed);
}
inline std::string gemm_cluster(unsigned seed) {
  return noticed_in<GemmRun>(
      GemmCase{.sm = 90, .tokens = 9, .out = 128, .in = 1024, .num_sms = 132}, seed);
}
inline std::string gemm_pairs(unsigned seed) {
  return noticed_in<GemmRun>(
      GemmCase{.sm = 90, .tokens = 24, .out = 200, .in = 1024, .num_sms = 132}, seed);
}
inline std::string gemm_generic(unsigned seed) {
  return noticed_in<GemmRun>(GemmCase{.sm = 80, .tokens = 20, .out = 64, .in = 512}, seed);
}
inline std::string gemm_halves(unsigned seed) {
  return noticed_in<GemmRun>(GemmCase{.sm = 80, .tokens = 40, .out = 64, .in = 384}, seed);
}

inline std::string decode_hopper(unsigned seed) {
  return noticed_in<AttentionRun>(
      AttentionCase{.sm = 90, .head_dim = 64, .sequences = {{1, 600}, {1, 100}}}, seed);
}
inline std::string prefill_hopper(unsigned seed) {
  return noticed_in<AttentionRun>(
      AttentionCase{
          .sm = 90, .head_dim = 128, .num_kv_heads = 1, .sequences = {{40, 400}}, .num_decodes = 0},
      seed);
}

}  // namespace ember::kernels
