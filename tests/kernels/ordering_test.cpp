// SPDX-License-Identifier: Apache-2.0
// Every barrier, wait and fence in the kernels' sources is there for a reason: without any one of
// them, but for those that kSpare lists, the emulated machine finds an access that nothing orders,
// a deadlock, or a wrong result. Not left out: __syncthreads_or and its like, whose result is used.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>

#include "kernels/noticed.h"
#include "kernels/sample_case.h"
#include "kernels/step_case.h"

namespace ember::kernels {
namespace {

struct Scenario {
  const char* name;
  std::string (*run)(unsigned seed);  // empty, or what was noticed
};

std::string sampled(int sm, unsigned seed) {
  constexpr int kVocab = 600;
  std::mt19937 random(seed);
  std::vector<SampleCase> cases;
  for (int i = 0; i < 2; ++i)
    cases.push_back({.logits = normal_logits(random, kVocab),
                     .params = {.top_k = 400,
                                .top_p = 0.9f,
                                .min_p = 1e-4f,
                                .presence_penalty = 1,
                                .logit_bias = {{5, 1.0f}, {6, 1.0f}, {7, 1.0f}}},
                     .output = {5, 6},
                     .banned = {7, 5, 7},
                     .position = i,
                     .num_logprobs = 6,
                     .pending = true});
  return error_of([&] {
    SampleBatch batch(kVocab);
    for (const SampleCase& c : cases) batch.add(c);
    const SampleArgs args = batch.args(emulator_stream(sm));
    sample(emulator_stream(sm), args);
    for (size_t i = 0; i < cases.size(); ++i)
      if (args.out[i].token != sample_on_cpu(cases[i]).token) throw emu::Error("another token");
  });
}

// Both kernels of attention, several items for each CTA.
std::string attention(int sm, unsigned seed) {
  return noticed_in<AttentionRun>(
      AttentionCase{.sm = sm,
                    .head_dim = 64,
                    .group = 4,
                    .num_kv_heads = 4,
                    .sequences = {{1, 600}, {1, 100}, {1, 30}, {1, 64}, {40, 300}, {3, 3}}},
      seed);
}

// A few queries whose keys are shared by several CTAs.
std::string attention_pieces(unsigned seed) {
  return noticed_in<AttentionRun>(AttentionCase{.sm = 90,
                                                .head_dim = 64,
                                                .group = 4,
                                                .num_kv_heads = 1,
                                                .sequences = {{3, kPieceKeys + 50}},
                                                .num_decodes = 0},
                                  seed);
}

const Scenario kScenarios[] = {
    {"gemm_hopper", gemm_hopper},
    {"gemm_large", gemm_large},
    {"gemm_cluster", gemm_cluster},
    {"gemm_pairs", gemm_pairs},
    {"gemm_generic", gemm_generic},
    {"gemm_halves", gemm_halves},
    {"attention_hopper", [](unsigned seed) { return attention(90, seed); }},
    {"attention_generic", [](unsigned seed) { return attention(80, seed); }},
    {"attention_pieces", attention_pieces},
    {"sample_hopper", [](unsigned seed) { return sampled(90, seed); }},
    {"sample_generic", [](unsigned seed) { return sampled(80, seed); }},
    {"step",
     [](unsigned) {
       static const std::vector<int32_t> expected = [] {
         emu::leave_nothing_out();
         return StepRun(1).run();
       }();
       return error_of([&] {
         if (StepRun(1).run() != expected) throw emu::Error("other tokens");
       });
     }},
};

// Sites that may be left out, and why they are there.
struct Spare {
  const char *file, *what;
  int number;  // among the file's sites of this kind, from 1
  const char* why;
};
const Spare kSpare[] = {
    {"attention_prefill_sm90.cuh", "named_barrier_sync", 1,
     "the warpgroups' turns at the tensor cores are for speed"},
    {"attention_prefill_sm90.cuh", "wait_for_dependencies", 2,
     "the producer's wait reaches the consumers through the mbarriers that it arrives on"},
};

const Spare* spare(const std::set<emu::Site>& all, const emu::Site& site) {
  int number = 0;
  for (const emu::Site& s : all)
    number += s.file == site.file && s.what == site.what && s.line <= site.line ? 1 : 0;
  for (const Spare& s : kSpare)
    if (s.file == site.file && s.what == site.what && s.number == number) return &s;
  return nullptr;
}

class Ordering : public testing::Test {
 protected:
  static void configure(unsigned seed) { emu::configure({.seed = seed, .stall = 16}); }

  // Every site, and the scenarios that come by it.
  static std::map<emu::Site, std::vector<const Scenario*>> sites() {
    std::map<emu::Site, std::vector<const Scenario*>> all;
    for (const Scenario& scenario : kScenarios) {
      emu::record_sites();
      configure(1);
      EXPECT_EQ(scenario.run(1), "") << scenario.name;
      for (const emu::Site& site : emu::recorded_sites()) all[site].push_back(&scenario);
    }
    return all;
  }

  // What is noticed first when `site` is left out.
  static std::string noticed(const emu::Site& site, const std::vector<const Scenario*>& scenarios) {
    emu::leave_out(site);
    std::string what;
    for (unsigned seed = 1; seed <= 3; ++seed) {
      for (const Scenario* scenario : scenarios) {
        configure(seed);
        if (what = scenario->run(seed); !what.empty()) break;
      }
      if (!what.empty()) break;
    }
    emu::leave_nothing_out();
    return what;
  }
};

TEST_F(Ordering, NothingCanBeLeftOut) {
  const auto all = sites();
  std::set<emu::Site> names;
  for (const auto& [site, scenarios] : all) names.insert(site);
  RecordProperty("sites", static_cast<int>(all.size()));
  for (const auto& [site, scenarios] : all) {
    const std::string what = noticed(site, scenarios);
    const Spare* const excuse = spare(names, site);
    if (excuse == nullptr)
      EXPECT_NE(what, "") << site.file << ":" << site.line << ": " << site.what
                          << " is left out, and nothing is noticed";
    else
      EXPECT_EQ(what, "") << site.file << ":" << site.line << ": " << site.what
                          << " is needed, but listed as one that is not: " << excuse->why;
  }
}

// A barrier that no scenario comes by would be one that the test above does not try.
TEST_F(Ordering, EveryOneInTheSourcesIsTried) {
  const std::regex call(
      "\\b(__syncthreads|__syncwarp|__threadfence|__threadfence_system|named_barrier_sync|"
      "named_barrier_arrive|mbarrier_arrive|mbarrier_arrive_expect|mbarrier_wait|"
      "fence_barrier_init|fence_proxy_async|cp_async_wait|wgmma_fence|wgmma_wait|"
      "mbarrier_arrive_peer|mbarrier_wait_cluster|"
      "cluster_arrive|cluster_wait|cluster_sync|wait_for_dependencies)(<[^>]*>)?\\(");
  const std::set<std::string> definitions = {"ptx.cuh", "wgmma.cuh"};
  std::set<emu::Site> tried;
  for (const auto& [site, scenarios] : sites()) tried.insert(site);
  int found = 0;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(EMBER_SOURCE_DIR "/kernels")) {
    const std::string file = entry.path().filename(), extension = entry.path().extension();
    if ((extension != ".cu" && extension != ".cuh" && extension != ".h") ||
        definitions.contains(file))
      continue;
    std::ifstream source(entry.path());
    std::string line;
    for (unsigned number = 1; std::getline(source, line); ++number) {
      line = line.substr(0, line.find("//"));
      for (std::sregex_iterator match(line.begin(), line.end(), call), end; match != end; ++match) {
        ++found;
        EXPECT_TRUE(tried.contains({(*match)[1], file, number}))
            << file << ":" << number << ": no scenario comes by " << line;
      }
    }
  }
  EXPECT_GT(found, 50);
}

}  // namespace
}  // namespace ember::kernels
