// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>
#include <sstream>

#include "app/model_dir.h"
#include "commands.h"

namespace ember {
namespace {

Settings settings() {
  Settings s;
  s.command = CommandKind::kBenchModel;
  s.model().path = kDemoModel.string();
  s.model().load_format = "dummy";
  s.device.kind = DeviceKind::kCpu;
  s.device.cpu_threads = 2;
  s.log.level = "error";
  s.bench_model.decode = {"1x32", "3x40"};
  s.bench_model.prefill = {70};
  s.scheduler.max_num_batched_tokens = 32;
  s.bench_model.steps = 4;
  s.bench_model.repetitions = 1;
  return s;
}

TEST(BenchModel, TimesWhatWasAskedFor) {
  std::stringstream out;
  EXPECT_EQ(bench_model(settings(), out), ExitCode::kOk);
  std::vector<nlohmann::json> rows;
  for (std::string line; std::getline(out, line);) rows.push_back(nlohmann::json::parse(line));
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_EQ(rows[0]["step_tokens"], 32);
  EXPECT_EQ(rows[1]["batch"], 1);
  EXPECT_EQ(rows[2]["batch"], 3);
  EXPECT_EQ(rows[2]["context"], 40);
  EXPECT_EQ(rows[3]["tokens"], 70);
  for (const size_t i : {1u, 2u}) {
    EXPECT_NEAR(rows[i]["tokens_per_s"].get<double>() * rows[i]["ms"].get<double>(),
                rows[i]["batch"].get<double>() * 1e3, 1);
    EXPECT_LE(rows[i]["ms_best"], rows[i]["ms"]);
    EXPECT_GT(rows[i]["gb_per_s"], 0);
  }
  EXPECT_GT(rows[3]["tflop_per_s"], 0);
}

TEST(BenchModel, RefusesCasesItCannotRead) {
  for (const char* text : {"", "8", "8x", "x8", "8x1024x", "0x8", "8x0"}) {
    Settings s = settings();
    s.bench_model.decode = {text};
    std::stringstream out;
    EXPECT_THROW(bench_model(s, out), StartError) << text;
  }
}

TEST(BenchModel, SaysWhenTheCacheIsTooSmall) {
  Settings s = settings();
  s.bench_model.decode = {"64x100"};
  s.scheduler.max_num_batched_tokens = 0;
  s.device.kv_cache_bytes = 4 << 20;
  std::stringstream out;
  try {
    bench_model(s, out);
    ADD_FAILURE();
  } catch (const StartError& e) {
    EXPECT_EQ(e.code(), ExitCode::kNoDevice);
    EXPECT_NE(std::string(e.what()).find("64x100"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace ember
