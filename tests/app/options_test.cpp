// SPDX-License-Identifier: Apache-2.0
#include "options.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

namespace ember {
namespace {

std::optional<Settings> parse(std::vector<const char*> args, std::string& out) {
  args.insert(args.begin(), "ember");
  return parse_settings(static_cast<int>(args.size()), args.data(), {}, out);
}

Settings parse(const std::vector<const char*>& args) {
  std::string out;
  return parse(args, out).value();
}

TEST(Options, EveryCommandsHelpIsTheTextInTheRepository) {
  for (const std::vector<const char*>& command :
       std::vector<std::vector<const char*>>{{},
                                             {"serve"},
                                             {"plan"},
                                             {"check"},
                                             {"tokenize"},
                                             {"chat"},
                                             {"bench"},
                                             {"bench", "serve"},
                                             {"bench", "model"},
                                             {"bench", "fleet"},
                                             {"bench", "kernels"},
                                             {"bench", "check"}}) {
    std::string name = command.empty() ? "ember" : command[0];
    if (command.size() > 1) name += std::string("_") + command[1];
    std::vector<const char*> args = command;
    args.push_back("--help");
    std::string help;
    EXPECT_FALSE(parse(args, help).has_value());
    const std::string path = EMBER_SOURCE_DIR "/tests/data/help/" + name + ".txt";
    std::ifstream in(path);
    EXPECT_EQ(help, (std::string{std::istreambuf_iterator<char>(in), {}}))
        << "if the change is meant, write the new text to " << path;
  }
}

TEST(Options, ADeviceMayHaveANumber) {
  EXPECT_EQ(parse({"serve", "d"}).device.kind, DeviceKind::kAuto);
  EXPECT_EQ(parse({"serve", "d", "--device", "cpu"}).device.kind, DeviceKind::kCpu);
  EXPECT_EQ(parse({"serve", "d", "--device", "fake"}).device.kind, DeviceKind::kFake);
  const DeviceSettings first = parse({"serve", "d", "--device", "cuda"}).device;
  EXPECT_EQ(first.kind, DeviceKind::kCuda);
  EXPECT_EQ(first.index, 0);
  const DeviceSettings second = parse({"plan", "d", "--device", "cuda:1"}).device;
  EXPECT_EQ(second.kind, DeviceKind::kCuda);
  EXPECT_EQ(second.index, 1);
  for (const char* bad :
       {"gpu", "", "cuda:", "cuda:-1", "cuda:x", "cuda:1x", "cuda:99999", "cpu:0"})
    EXPECT_THROW(parse({"serve", "d", "--device", bad}), StartError) << bad;
}

TEST(Options, ADeviceMayComeFromTheEnvironment) {
  const char* args[] = {"ember", "serve", "d"};
  std::string out;
  const Settings settings = parse_settings(3, args, {{"EMBER_DEVICE", "cuda:2"}}, out).value();
  EXPECT_EQ(settings.device.index, 2);
  try {
    parse_settings(3, args, {{"EMBER_DEVICE", "gpu"}}, out);
    FAIL();
  } catch (const StartError& e) {
    EXPECT_EQ(e.code(), ExitCode::kConfig);
    EXPECT_NE(std::string(e.what()).find("gpu not in {auto,cuda,cuda:N,cpu,fake}"),
              std::string::npos)
        << e.what();
  }
}

TEST(Options, FlagsOfOneCommandAreNoFlagsOfAnother) {
  EXPECT_THROW(parse({"plan", "d", "--port", "1"}), StartError);
  EXPECT_THROW(parse({"serve", "d", "--deep"}), StartError);
  EXPECT_EQ(parse({"bench", "serve", "--seed", "7"}).bench_serve.seed, 7u);
  EXPECT_EQ(parse({"serve", "d", "--seed", "7"}).scheduler.seed, 7u);
  EXPECT_EQ(parse({"bench", "fleet", "--seed", "7"}).bench_fleet.seed, 7u);
  EXPECT_EQ(parse({"bench", "kernels", "--dtype", "float16"}).bench_kernels.dtype, "float16");
}

TEST(Options, ListsAreReadAsTheyAreWritten) {
  const Settings settings = parse({"bench", "model", "d", "--decode", "1x2,3x4", "--prefill", "5"});
  EXPECT_EQ(settings.bench_model.decode, (std::vector<std::string>{"1x2", "3x4"}));
  EXPECT_EQ(settings.bench_model.prefill, std::vector<int>{5});
  EXPECT_EQ(parse({"bench", "serve", "--api-key", "a"}).client.api_keys,
            std::vector<std::string>{"a"});
}

}  // namespace
}  // namespace ember
