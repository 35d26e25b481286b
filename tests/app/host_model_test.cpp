// SPDX-License-Identifier: Apache-2.0
#include "host_model.h"

#include "app/model_dir.h"
#include "engine_factory.h"

namespace ember {
namespace {

class NoSink final : public OutputSink {
  void on_step(std::vector<TokenOutput>, const StepReport&) override {}
};

EngineSettings demo_settings() {
  EngineSettings settings;
  settings.model.path = kDemoModel.string();
  settings.device.kind = DeviceKind::kFake;
  settings.device.kv_cache_bytes = 64u << 20;
  return settings;
}

class HostModelTest : public testing::Test {
 protected:
  ModelRef serve(const EngineSettings& settings) {
    const auto opened = open_model(settings.model.path);
    const ModelSource& source = *opened;
    ModelFiles files = read_model_files(source, settings.model);
    engine_ = make_engine(settings, files, sink_, {});
    return host_model(source, settings, std::move(files),
                      {engine_, nullptr, engine_->max_model_len(), {}, {}});
  }

  NoSink sink_;
  std::shared_ptr<Engine> engine_;
};

TEST_F(HostModelTest, ServesWhatTheDirectorySays) {
  const ModelRef model = serve(demo_settings());
  EXPECT_EQ(model->info.names, std::vector<std::string>{"demo-model"});
  EXPECT_EQ(model->info.max_model_len, engine_->max_model_len());
  EXPECT_EQ(model->info.vocab_size, 6144);
  EXPECT_EQ(model->generator, engine_);
  EXPECT_NE(model->tokenizer, nullptr);
  EXPECT_NE(model->chat_template, nullptr);
  EXPECT_NE(model->tool_dialect, nullptr);
  EXPECT_NE(model->grammars, nullptr);
}

TEST_F(HostModelTest, TheModelsDefaultsAreTheServers) {
  EngineSettings settings = demo_settings();
  const auto opened = open_model(settings.model.path);
  const ModelSource& source = *opened;
  ModelFiles files = read_model_files(source);
  files.defaults.greedy = true;
  files.defaults.stop_strings = {"END"};
  engine_ = make_engine(settings, files, sink_, {});
  const ModelRef model = host_model(source, settings, std::move(files),
                                    {engine_, nullptr, engine_->max_model_len(), {}, {}});
  EXPECT_EQ(model->info.temperature, 0.0f) << "though the file gives one";
  EXPECT_EQ(model->info.stop_strings, std::vector<std::string>{"END"});
}

TEST_F(HostModelTest, FlagsNameTheModelAndItsDialects) {
  EngineSettings settings = demo_settings();
  settings.model.served_names = {"a", "b"};
  settings.model.tool_call_parser = "none";
  settings.model.reasoning_parser = "qwen3";
  const ModelRef model = serve(settings);
  EXPECT_EQ(model->info.names, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(model->tool_dialect, nullptr);
  ASSERT_TRUE(model->reasoning_style.has_value());
  EXPECT_EQ(model->reasoning_style->begin, "<think>");
}

TEST(AddRoom, IsForAsManyRequestsAsRunAndWait) {
  SchedulerSettings settings;
  settings.max_num_seqs = 2;
  settings.max_num_queued_reqs = 1;
  Admission admission;
  add_room(admission, settings, 0, 100);
  std::vector<Ticket> tickets;
  for (int i = 0; i < 3; ++i) {
    Result<Ticket> ticket = admission.reserve();
    ASSERT_TRUE(ticket.ok()) << i;
    tickets.push_back(std::move(ticket).value());
  }
  EXPECT_FALSE(admission.reserve().ok());
  EXPECT_TRUE(tickets[0].extend(0, 300).ok());
  EXPECT_FALSE(tickets[0].extend(0, 1).ok());
}

TEST(AddRoom, TheTokensInsideAreBoundedToo) {
  Admission admission;
  add_room(admission, SchedulerSettings(), 10, 100);
  Ticket ticket = admission.reserve().value();
  EXPECT_TRUE(ticket.extend(0, 10).ok());
  EXPECT_FALSE(ticket.extend(0, 1).ok());
}

}  // namespace
}  // namespace ember
