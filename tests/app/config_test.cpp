// SPDX-License-Identifier: Apache-2.0
#include "config.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/temp_dir.h"

namespace ember {
namespace {

using Environment = std::map<std::string, std::string>;

Settings parse(std::vector<const char*> args, const Environment& environment = {}) {
  args.insert(args.begin(), "ember");
  std::string out;
  const std::optional<Settings> settings =
      parse_settings(static_cast<int>(args.size()), args.data(), environment, out);
  EXPECT_TRUE(settings.has_value()) << out;
  return settings.value_or(Settings{});
}

StartError refusal(const std::vector<const char*>& args, const Environment& environment = {}) {
  try {
    parse(args, environment);
  } catch (const StartError& e) {
    EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos) << e.what();
    return e;
  }
  ADD_FAILURE() << "accepted";
  return {ExitCode::kOk, ""};
}

std::string write_file(const std::string& text) {
  const std::string path = test::process_dir() / "config.json";
  std::ofstream(path) << text;
  return path;
}

TEST(Config, ModelPathHasItsAliases) {
  for (const std::vector<const char*>& args :
       std::vector<std::vector<const char*>>{{"serve", "--model-path", "d"},
                                             {"serve", "--model", "d"},
                                             {"serve", "-m", "d"},
                                             {"serve", "d"},
                                             {"serve", "--model-path=d"}})
    EXPECT_EQ(parse(args).model().path, "d");
}

TEST(Config, FlagBeatsEnvironmentBeatsFile) {
  const std::string file =
      write_file(R"({"port": 1, "max_num_seqs": 2, "host": "file", "enable_prefix_caching": false,
                                          "served_model_name": ["a", "b"]})");
  const Environment environment = {{"EMBER_MAX_NUM_SEQS", "3"}, {"EMBER_HOST", "environment"}};
  const Settings settings =
      parse({"serve", "d", "--config", file.c_str(), "--host", "flag"}, environment);
  EXPECT_EQ(settings.http.port, 1);
  EXPECT_EQ(settings.scheduler.max_num_seqs, 3);
  EXPECT_EQ(settings.http.host, "flag");
  EXPECT_FALSE(settings.scheduler.enable_prefix_caching);
  EXPECT_EQ(settings.model().served_names, (std::vector<std::string>{"a", "b"}));
}

TEST(Config, ReadsSizesRepeatedFlagsAndNegations) {
  const Settings settings =
      parse({"serve", "d", "--kv-cache-memory-bytes", "2MiB", "--served-model-name", "a",
             "--served-model-name", "b", "--no-enable-prefix-caching", "--gpu-memory-utilization",
             "0.25"});
  EXPECT_EQ(settings.device.kv_cache_bytes, 2u * 1024 * 1024);
  EXPECT_EQ(settings.model().served_names, (std::vector<std::string>{"a", "b"}));
  EXPECT_FALSE(settings.scheduler.enable_prefix_caching);
  EXPECT_EQ(settings.device.memory_utilization, 0.25);
  EXPECT_TRUE(parse({"serve", "d", "--enable-prefix-caching"}).scheduler.enable_prefix_caching);
}

TEST(Config, EveryCommandHasItsKind) {
  EXPECT_EQ(parse({"plan", "d", "--json"}).command, CommandKind::kPlan);
  EXPECT_EQ(parse({"check", "d", "--deep"}).command, CommandKind::kCheck);
  EXPECT_EQ(parse({"tokenize", "-m", "d", "--no-special-tokens"}).tokenize.special_tokens, false);
  EXPECT_EQ(parse({"chat", "--url", "u"}).client.url, "u");
}

TEST(Config, WhatFollowsTwoDashesIsNoFlag) {
  EXPECT_EQ(parse({"tokenize", "-m", "d", "--", "--decode"}).tokenize.text, "--decode");
  EXPECT_EQ(refusal({"serve", "d", "--", "junk"}).code(), ExitCode::kUsage);
}

TEST(Config, RefusesBadCommandLines) {
  struct Case {
    std::vector<const char*> args;
    const char* says;
  };
  for (const Case& c : std::vector<Case>{
           {{}, "a command is missing"},
           {{"srve"}, "did you mean serve?"},
           {{"serve", "d", "--prot", "1"}, "unknown argument --prot; did you mean --port?"},
           {{"serve", "d", "--max-num-seq=4"}, "did you mean --max-num-seqs?"},
           {{"serve", "d", "junk"}, "unknown argument junk"},
           {{"serve", "d", "--port"}, "--port"},
           {{"serve", "d", "--port", "1", "--port", "2"}, "--port"},
           {{"serve", "d", "--port", "-1"}, "--port"},
           {{"serve", "d", "--port", "65536"}, "--port"},
           {{"serve", "d", "--port", "http"}, "--port"},
           {{"serve", "d", "--dtype", "int3"}, "--dtype"},
           {{"serve", "d", "--kv-cache-memory-bytes", "many"}, "--kv-cache-memory-bytes"}}) {
    const StartError e = refusal(c.args);
    EXPECT_EQ(e.code(), ExitCode::kUsage);
    EXPECT_NE(std::string(e.what()).find(c.says), std::string::npos) << e.what();
  }
}

TEST(Config, RefusesABadEnvironmentByName) {
  const StartError e = refusal({"serve", "d"}, {{"EMBER_PORT", "http"}});
  EXPECT_EQ(e.code(), ExitCode::kConfig);
  EXPECT_NE(std::string(e.what()).find("EMBER_PORT"), std::string::npos) << e.what();
}

TEST(Config, RefusesABadSettingsFileByLineAndKey) {
  struct Case {
    const char* text;
    const char* says;
  };
  for (const Case& c :
       std::vector<Case>{{"{\n\"prot\": 1}", ":2: unknown key \"prot\"; did you mean port?"},
                         {"{\n\n\"port\": \"http\"}", ":3: \"port\""},
                         {"{\"port\": 99999}", ":1: \"port\""}}) {
    const std::string file = write_file(c.text);
    const StartError e = refusal({"serve", "d", "--config", file.c_str()});
    EXPECT_EQ(e.code(), ExitCode::kConfig);
    EXPECT_NE(std::string(e.what()).find(file + c.says), std::string::npos) << e.what();
  }
}

TEST(Config, HelpAndVersionAreText) {
  for (const char* flag : {"--help", "--version"}) {
    const char* args[] = {"ember", flag};
    std::string out;
    EXPECT_FALSE(parse_settings(2, args, {}, out).has_value());
    EXPECT_NE(out.find("mber"), std::string::npos);
  }
  const char* args[] = {"ember", "serve", "--help"};
  std::string out;
  EXPECT_FALSE(parse_settings(3, args, {}, out).has_value());
  for (const char* flag : {"--model-path", "--gpu-memory-utilization", "--max-num-seqs",
                           "--api-key-file", "--queue-timeout"})
    EXPECT_NE(out.find(flag), std::string::npos) << flag;
  EXPECT_EQ(out.find("fake"), std::string::npos) << out;
}

}  // namespace
}  // namespace ember
