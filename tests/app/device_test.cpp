// SPDX-License-Identifier: Apache-2.0
#include "device.h"

#include <filesystem>
#include <fstream>

#include "app/model_dir.h"
#include "ember/base/start_error.h"

namespace ember {
namespace {

TEST(Device, LaysOutWhatTheModelNeeds) {
  EngineSettings settings;
  const std::unique_ptr<Backend> backend = open_device(settings, load_decoder_config(kDemoModel));
  const DecoderConfig config = load_decoder_config(kDemoModel);
  const Layout layout = lay_out(settings, *backend, config);
  EXPECT_EQ(layout.limits.max_model_len, 2048);
  EXPECT_EQ(layout.limits.block_size, 16);
  EXPECT_EQ(layout.limits.num_blocks, layout.plan.num_blocks);
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
  const fs::path root = fs::path(testing::TempDir()) / "ember_device_test";
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
