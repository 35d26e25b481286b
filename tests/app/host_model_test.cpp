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
  ServedModel serve(const EngineSettings& settings) {
    host_.emplace(ModelSource(settings.model.path), settings, 0);
    engine_ = make_engine(settings, host_->files(), sink_, {});
    return host_->serve_with(engine_, {}, {});
  }

  NoSink sink_;
  std::optional<HostModel> host_;
  std::shared_ptr<Engine> engine_;
};

TEST_F(HostModelTest, ServesWhatTheDirectorySays) {
  const ServedModel model = serve(demo_settings());
  EXPECT_EQ(model.info.names, std::vector<std::string>{"demo-model"});
  EXPECT_EQ(model.info.max_model_len, engine_->max_model_len());
  EXPECT_EQ(model.info.vocab_size, 6144);
  EXPECT_EQ(model.generator, engine_);
  EXPECT_EQ(model.tokenizer, host_->files().tokenizer.get());
  EXPECT_EQ(model.chat_template, host_->files().chat_template.get());
  EXPECT_NE(model.tool_dialect, nullptr);
  EXPECT_NE(model.grammars, nullptr);
  EXPECT_NE(model.admission, nullptr);
}

TEST_F(HostModelTest, FlagsNameTheModelAndItsDialects) {
  EngineSettings settings = demo_settings();
  settings.model.served_names = {"a", "b"};
  settings.model.tool_call_parser = "none";
  settings.model.reasoning_parser = "qwen3";
  const ServedModel model = serve(settings);
  EXPECT_EQ(model.info.names, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(model.tool_dialect, nullptr);
  ASSERT_TRUE(model.reasoning_style.has_value());
  EXPECT_EQ(model.reasoning_style->begin, "<think>");
}

TEST_F(HostModelTest, AdmitsAsManyRequestsAsRunAndWait) {
  EngineSettings settings = demo_settings();
  settings.scheduler.max_num_seqs = 2;
  settings.scheduler.max_num_queued_reqs = 1;
  const ServedModel model = serve(settings);
  std::vector<Ticket> tickets;
  for (int i = 0; i < 3; ++i) {
    Result<Ticket> ticket = model.admission->reserve();
    ASSERT_TRUE(ticket.ok()) << i;
    tickets.push_back(std::move(ticket).value());
  }
  EXPECT_FALSE(model.admission->reserve().ok());
}

TEST_F(HostModelTest, TheTokensInsideAreBoundedToo) {
  const EngineSettings settings = demo_settings();
  host_.emplace(ModelSource(settings.model.path), settings, 10);
  engine_ = make_engine(settings, host_->files(), sink_, {});
  const ServedModel model = host_->serve_with(engine_, {}, {});
  Ticket ticket = model.admission->reserve().value();
  EXPECT_TRUE(ticket.extend(0, 10).ok());
  EXPECT_FALSE(ticket.extend(0, 1).ok());
}

}  // namespace
}  // namespace ember
