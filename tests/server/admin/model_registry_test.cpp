// SPDX-License-Identifier: Apache-2.0
#include "ember/server/model_registry.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <thread>

#include "server/api_parts.h"

namespace ember {
namespace {

ModelRef found(const ModelRegistry& registry, const std::string& name) {
  const Result<ModelRef> model = registry.find(name, {});
  return model.ok() ? model.value() : nullptr;
}

TEST(ModelRegistry, FindsEachModelByAnyOfItsNames) {
  ApiParts parts;
  ModelRegistry& registry = parts.models;
  EXPECT_EQ(found(registry, ""), nullptr);
  const ModelRef a = parts.model({"a", "also-a"}), b = parts.model({"b"});
  registry.add(a);
  registry.add(b);
  EXPECT_EQ(found(registry, "a"), a);
  EXPECT_EQ(found(registry, "also-a"), a);
  EXPECT_EQ(found(registry, "b"), b);
  EXPECT_EQ(found(registry, ""), a) << "the first one, when none is named";
  EXPECT_EQ(registry.all(), (std::vector{a, b}));
}

TEST(ModelRegistry, AnUnknownNameIsAnErrorThatShowsIt) {
  ApiParts parts;
  ModelRegistry& registry = parts.models;
  registry.add(parts.model({"a"}));
  const Result<ModelRef> unknown = registry.find("b\n" + std::string(1000, 'x'), {});
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.error().kind, ErrorKind::kNotFound);
  EXPECT_EQ(unknown.error().code, "model_not_found");
  EXPECT_EQ(unknown.error().param, "model");
  EXPECT_LT(unknown.error().message.size(), 200u);
  EXPECT_EQ(unknown.error().message.find('\n'), std::string::npos);
}

TEST(ModelRegistry, TwoModelsCannotHaveOneName) {
  ApiParts parts;
  ModelRegistry& registry = parts.models;
  registry.add(parts.model({"a", "b"}));
  EXPECT_DEATH(registry.add(parts.model({"c", "b"})), "two models are named b");
}

// An answer that goes on until it is told to end, and then sends nothing.
class OpenAnswer final : public Response {
 public:
  void start(std::string&) override {}
  void on_event(const TokenOutput& event, std::string&, std::vector<RequestId>&) override {
    finished_ = event.finish != FinishReason::kNone;
  }
  void fail(const Error&, std::string&) override { finished_ = true; }
  void on_disconnect() override {}
  void keep_alive(std::string&) override {}
  bool finished() const override { return finished_; }
  bool keep_connection() const override { return false; }
  int status() const override { return 200; }
  const std::string& access_line() const override { return line_; }

 private:
  bool finished_ = false;
  const std::string line_ = "GET /test id";
};

TEST(ModelRegistry, AModelOutlivesItsEntryWhileAnAnswerIsOpen) {
  ApiParts parts;
  ModelRegistry& registry = parts.models;
  registry.add(parts.model({"a"}));
  ResponseHub& hub = parts.hub;
  hub.start();
  int fds[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
  const Connection client(fds[1]);
  ModelRef model = found(registry, "a");
  std::vector<RequestRef> requests = {share({.id = 1})};
  hub.adopt(std::make_unique<Connection>(fds[0]), std::make_unique<OpenAnswer>(),
            std::move(requests), generator_of(model));
  registry.remove(model);
  EXPECT_EQ(found(registry, "a"), nullptr);
  const std::weak_ptr<const ServedModel> watched = std::exchange(model, nullptr);
  EXPECT_FALSE(watched.expired());
  hub.on_step({TokenOutput{.request_id = 1, .finish = FinishReason::kStop}}, StepReport{});
  for (int i = 0; i < 4000 && !watched.expired(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_TRUE(watched.expired());
}

}  // namespace
}  // namespace ember
