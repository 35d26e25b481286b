// SPDX-License-Identifier: Apache-2.0
#include "device.h"

#include <filesystem>
#include <fstream>

#include "app/model_dir.h"
#include "base/temp_dir.h"
#include "ember/base/start_error.h"
#include "model/naive_backend.h"

namespace ember {
namespace {

TEST(Device, LaysOutWhatTheModelNeeds) {
  EngineSettings settings;
  const std::unique_ptr<Backend> backend = open_device(settings, load_decoder_config(kDemoModel));
  const DecoderConfig config = load_decoder_config(kDemoModel);
  const Layout layout = lay_out(settings, *backend, config);
  EXPECT_EQ(layout.limits.max_model_len, 2048);
  EXPECT_EQ(layout.limits.block_size, 16);
  EXPECT_EQ(layout.limits.num_blocks, layout.plan().num_blocks);
  EXPECT_GE(layout.limits.max_logit_rows, settings.scheduler.max_num_seqs);
}

TEST(Device, StepsOfTheCpuHaveATimeUnlessToldOtherwise) {
  EngineSettings settings;
  settings.device.kind = DeviceKind::kCpu;
  const DecoderConfig config = load_decoder_config(kDemoModel);
  const std::unique_ptr<Backend> backend = open_device(settings, config);
  const auto target = [&] { return lay_out(settings, *backend, config).step_time_target; };
  EXPECT_EQ(target(), std::chrono::milliseconds(40));
  settings.scheduler.step_time_target = 2.5;
  EXPECT_EQ(target(), std::chrono::microseconds(2500));
  settings.scheduler.step_time_target = 0;
  EXPECT_EQ(target(), Duration::zero());
}

TEST(Device, RanksAreOfTheCpuOnly) {
  EngineSettings settings;
  settings.device.kind = DeviceKind::kCpu;
  settings.device.cpu_threads = 2;
  settings.device.tensor_parallel_size = 2;
  const DecoderConfig config = load_decoder_config(kDemoModel);
  const std::unique_ptr<RankGroup> ranks = open_ranks(settings, config);
  ASSERT_EQ(ranks->size(), 2);
  for (int r = 0; r < 2; ++r)
    EXPECT_NE(ranks->at(r).backend->describe().find("1 threads"), std::string::npos);
  settings.device.kind = DeviceKind::kCuda;
  try {
    open_ranks(settings, config);
    FAIL() << "a GPU is one rank";
  } catch (const StartError& e) {
    EXPECT_EQ(e.code(), ExitCode::kConfig);
    EXPECT_NE(std::string(e.what()).find("--tensor-parallel-size 2"), std::string::npos);
  }
}

// What it has, whatever it computes.
class Gpu : public NaiveBackend {
 public:
  explicit Gpu(const MemoryInfo& memory) : memory_(memory) {}
  bool is_gpu() const override { return true; }
  MemoryInfo memory() const override { return memory_; }

 private:
  const MemoryInfo memory_;
};

// An integrated GPU shares the host's memory, and is a GPU in all else.
TEST(Device, DefaultsAreThoseOfTheKindOfDevice) {
  const DecoderConfig config = load_decoder_config(kDemoModel);
  constexpr size_t kGiB = size_t{1} << 30;
  const auto of = [&](const Backend& backend) { return lay_out({}, backend, config); };
  const Layout small = of(Gpu({20 * kGiB, 24 * kGiB, true})),
               large = of(Gpu({70 * kGiB, 80 * kGiB, true})),
               integrated = of(Gpu({80 * kGiB, 120 * kGiB, false})), cpu = of(NaiveBackend());
  EXPECT_EQ(small.limits.max_tokens, 2048);
  EXPECT_EQ(large.limits.max_tokens, 8192);
  EXPECT_EQ(integrated.limits.max_tokens, 2048);
  EXPECT_EQ(cpu.limits.max_tokens, 512);
  for (const Layout* gpu : {&small, &large, &integrated})
    EXPECT_EQ(gpu->step_time_target, Duration::zero());
  EXPECT_EQ(cpu.step_time_target, std::chrono::milliseconds(40));
  EXPECT_EQ(large.plan().budget_bytes, 70 * kGiB) << "0.9 of 80 are more than is free";
  EXPECT_EQ(integrated.plan().budget_bytes, 40 * kGiB);
  EXPECT_EQ(cpu.plan().budget_bytes, kGiB / 2);
}

TEST(Device, RefusesAContextBeyondTheModels) {
  EngineSettings settings;
  settings.model.max_model_len = 2049;
  const std::unique_ptr<Backend> backend = open_device(settings, load_decoder_config(kDemoModel));
  try {
    lay_out(settings, *backend, load_decoder_config(kDemoModel));
    FAIL();
  } catch (const StartError& e) {
    EXPECT_EQ(e.code(), ExitCode::kConfig);
    EXPECT_NE(std::string(e.what()).find("--max-model-len 2049: the model's context is 2048"),
              std::string::npos)
        << e.what();
  }
}

TEST(Device, ShortensOnlyAContextThatWasNotAskedFor) {
  EngineSettings settings;
  settings.device.kv_cache_bytes = 4u << 20;
  const std::unique_ptr<Backend> backend = open_device(settings, load_decoder_config(kDemoModel));
  const DecoderConfig config = load_decoder_config(kDemoModel);
  EXPECT_LT(lay_out(settings, *backend, config).limits.max_model_len, 2048);
  settings.model.max_model_len = 2048;
  EXPECT_THROW(lay_out(settings, *backend, config), StartError);
}

TEST(Device, KnowsAnNvidiaGpuByItsDriversFiles) {
  namespace fs = std::filesystem;
  const fs::path root = test::process_dir() / "device";
  const auto with = [&](std::initializer_list<const char*> files) {
    fs::remove_all(root);
    for (const char* file : files) {
      fs::create_directories((root / file).parent_path());
      std::ofstream(root / file) << "";
    }
    return has_nvidia_gpu(root);
  };
  EXPECT_FALSE(with({}));
  EXPECT_TRUE(with({"dev/nvidiactl"}));
  EXPECT_TRUE(with({"dev/nvidia0"}));
  EXPECT_FALSE(with({"dev/dxg"})) << "any GPU of Windows";
  EXPECT_TRUE(with({"dev/dxg", "usr/lib/wsl/lib/libcuda.so.1"}));
  fs::remove_all(root);
}

TEST(Device, RefusesWhatThisBuildOrMachineLacks) {
  EngineSettings settings;
  settings.device.kind = DeviceKind::kCuda;
  EXPECT_THROW(open_device(settings, load_decoder_config(kDemoModel)), StartError);
  settings.device.kind = DeviceKind::kCpu;
  const std::unique_ptr<Backend> cpu = open_device(settings, load_decoder_config(kDemoModel));
  EXPECT_EQ(weight_dtype(settings.model, *cpu, {}), std::nullopt);
  settings.model.dtype = "bfloat16";
  EXPECT_EQ(weight_dtype(settings.model, *cpu, {}), DType::kBF16);
  settings.model = {};
  settings.model.load_format = "dummy";
  DecoderConfig config;
  config.dtype = DType::kF16;
  EXPECT_EQ(weight_dtype(settings.model, *cpu, config), DType::kF16)
      << "random weights are numbers";
}

}  // namespace
}  // namespace ember
