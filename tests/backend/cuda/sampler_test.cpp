// SPDX-License-Identifier: Apache-2.0
// The sampler and its kernels against the CPU's sampling, which defines what is right.
#include "cuda/sampler.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <random>
#include <thread>

#include "cpu/sample.h"
#include "cuda/error.h"
#include "ember/base/device_error.h"
#include "fake_runtime.h"

namespace ember::cuda {
namespace {

constexpr int kVocab = 1000, kRows = 6;

struct Case {
  SamplingParams params;
  uint64_t sequence = 0;
  std::vector<int32_t> prompt, output, draft, banned;
  std::vector<uint32_t> mask;
  SamplingRow row() const {
    return {.params = &params,
            .sequence = sequence,
            .prompt = prompt,
            .output = output,
            .draft = draft,
            .banned = banned,
            .mask = mask};
  }
};

class CudaSampler : public testing::Test {
 protected:
  CudaSampler() {
    kernels::launch_check = &after_launch;
    const SamplerLimits limits{
        .max_rows = kRows, .max_seqs = kRows, .vocab_size = kVocab, .max_model_len = 400};
    const kernels::StreamRef queue{.handle = stream_.get(), .sm = 90, .num_sms = 4, .pdl = true};
    arena_.reserve(Sampler::device_bytes(arena_, queue, limits) +
                   arena_.rounded(sizeof(float) * kVocab * kRows));
    logits_ = Tensor(arena_.take(sizeof(float) * kVocab * kRows), DType::kF32, {kRows, kVocab});
    sampler_ = std::make_unique<Sampler>(arena_, queue, stream_, limits);
    RecordProperty("seed", std::to_string(seed_));
    fake_cuda::set_delays(300, seed_);
  }
  ~CudaSampler() override {
    cudaStreamSynchronize(stream_.get());
    fake_cuda::set_delays(0, 0);
    EXPECT_TRUE(arena_.guards_intact());
  }

  std::vector<int32_t> ids(size_t n) {
    std::vector<int32_t> result(n);
    for (int32_t& id : result) id = static_cast<int32_t>(random_() % kVocab);
    return result;
  }

  static std::string describe(const SamplingRow& row) {
    const SamplingParams& p = *row.params;
    return fmt::format(
        "temperature {} top_k {} top_p {} min_p {} penalties {} {} {} allowed {} bias {} banned {} "
        "mask {} pending {} given {} logprobs {}",
        p.temperature, p.top_k, p.top_p, p.min_p, p.repetition_penalty, p.presence_penalty,
        p.frequency_penalty, p.allowed_token_ids.size(), p.logit_bias.size(), row.banned.size(),
        row.mask.size(), row.pending, row.given_token, row.num_logprobs);
  }

  Case random_case() {
    Case c;
    c.sequence = ++last_sequence_;
    const auto one_in = [&](int n) { return random_() % static_cast<unsigned>(n) == 0; };
    c.params.temperature = one_in(3) ? 0.0f : 0.3f + static_cast<float>(random_() % 100) / 50;
    c.params.seed = random_();
    if (one_in(2)) c.params.top_k = static_cast<int32_t>(random_() % 50);
    if (one_in(2)) c.params.top_p = 0.5f;
    if (one_in(3)) c.params.min_p = 0.05f;
    if (one_in(2)) c.params.repetition_penalty = 1.3f;
    if (one_in(2)) c.params.presence_penalty = 0.5f;
    if (one_in(2)) c.params.frequency_penalty = 0.25f;
    c.prompt = ids(random_() % 200);
    c.output = ids(random_() % 100);
    if (one_in(3)) c.draft = ids(random_() % 5);
    if (one_in(3)) c.banned = ids(5);
    if (one_in(3)) {
      c.params.allowed_token_ids = ids(300);
      std::ranges::sort(c.params.allowed_token_ids);
      c.params.allowed_token_ids.erase(
          std::unique(c.params.allowed_token_ids.begin(), c.params.allowed_token_ids.end()),
          c.params.allowed_token_ids.end());
    }
    if (one_in(3)) {
      c.mask.resize((kVocab + 31) / 32 - random_() % 3);
      for (uint32_t& word : c.mask) word = static_cast<uint32_t>(random_());
    }
    if (one_in(3))
      for (int32_t id = static_cast<int32_t>(random_() % 9); id < kVocab; id += 111)
        c.params.logit_bias.emplace_back(id, static_cast<float>(random_() % 7) - 3);
    return c;
  }

  // As MaskBuilder does.
  void put_into_mask_memory(std::vector<SamplingRow>& rows) const {
    constexpr size_t kWords = (kVocab + 31) / 32;
    std::span<uint32_t> memory = sampler_->mask_memory();
    for (SamplingRow& row : rows) {
      if (row.mask.empty()) continue;
      const std::span<uint32_t> mask = memory.first(kWords);
      std::fill(std::ranges::copy(row.mask, mask.begin()).out, mask.end(), 0u);
      row.mask = mask;
      memory = memory.subspan(kWords);
    }
  }

  unsigned seed_ = std::random_device{}();
  std::mt19937_64 random_{seed_};
  uint64_t last_sequence_ = 0;
  Stream stream_;
  Arena arena_{256};
  Tensor logits_;
  std::unique_ptr<Sampler> sampler_;
};

TEST_F(CudaSampler, ChoosesWhatTheCpuChoosesStepAfterStep) {
  SCOPED_TRACE(testing::Message() << "seed " << seed_);
  std::vector<SampledToken> before;  // of the step before
  for (int step = 0; step < 12; ++step) {
    const size_t rows = step == 5 ? 0 : 1 + random_() % kRows;
    std::vector<float> logits(rows * kVocab);
    std::normal_distribution<float> normal(0, 3);
    for (float& logit : logits) logit = normal(random_);
    if (step == 7) logits[3] = NAN;
    std::vector<Case> cases;
    for (size_t i = 0; i < rows; ++i) cases.push_back(random_case());
    std::vector<SamplingRow> packed;
    std::vector<SampledToken> expected, got(rows);
    cpu::SampleScratch scratch;
    for (size_t i = 0; i < rows; ++i) {
      SamplingRow& row = packed.emplace_back(cases[i].row());
      row.position = step + 1;
      row.num_logprobs = static_cast<int>(random_() % 4) - 1;
      if (random_() % 5 == 0) row.given_token = 77;
      const bool pending = !before.empty() && random_() % 2 == 0;
      if (pending) row.pending = static_cast<int32_t>(random_() % before.size());
      std::vector<float> copy(logits.begin() + static_cast<long>(i * kVocab),
                              logits.begin() + static_cast<long>((i + 1) * kVocab));
      expected.push_back(cpu::sample_row(
          copy, row, pending ? before[static_cast<size_t>(row.pending)].token : -1, scratch));
    }
    if (step % 2 == 0) put_into_mask_memory(packed);
    stream_.wait();
    std::copy(logits.begin(), logits.end(), logits_.as<float>());
    sampler_->launch(logits_.rows(static_cast<int64_t>(rows)), packed, got);
    std::vector<std::string> described;
    for (const SamplingRow& row : packed) described.push_back(describe(row));
    packed.clear();  // may be reused at once
    cases.clear();
    sampler_->wait();
    for (size_t i = 0; i < rows; ++i) {
      ASSERT_EQ(got[i].token, expected[i].token)
          << "step " << step << ", row " << i << ": " << described[i];
      EXPECT_EQ(got[i].token_rank, expected[i].token_rank);
      EXPECT_NEAR(got[i].logprob, expected[i].logprob, 1e-4);
      ASSERT_EQ(got[i].top.size(), expected[i].top.size());
      for (size_t k = 0; k < got[i].top.size(); ++k)
        EXPECT_EQ(got[i].top[k].token, expected[i].top[k].token);
    }
    stream_.wait();
    for (size_t i = 0; i < rows; ++i) EXPECT_EQ(sampler_->tokens()[i], got[i].token);
    if (rows > 0) before = got;
  }
}

// Sequences come, get a token in each step and go; the device is told what is new. Two steps are in
// flight: of the token before the host knows only the row.
TEST_F(CudaSampler, PenaltiesFollowSequencesThatGrow) {
  SCOPED_TRACE(testing::Message() << "seed " << seed_);
  struct Live {
    Case c;
    int pending = -1;  // its row in the step before
  };
  std::vector<Live> live;
  std::vector<SampledToken> results[2];
  for (int step = 0; step < 25; ++step) {
    std::erase_if(live, [&](const Live&) { return random_() % 8 == 0; });
    while (live.size() < kRows && random_() % 4 != 0) {
      Live& l = live.emplace_back();
      l.c = random_case();
      l.c.draft.clear();
      l.c.output.reserve(200);  // rows refer to it while it grows
      l.c.params.repetition_penalty = random_() % 3 == 0 ? 1.0f : 1.4f;
      l.c.params.frequency_penalty = 0.4f;
      l.c.params.temperature = 0;
    }
    std::vector<float> logits(live.size() * kVocab);
    for (float& logit : logits) logit = static_cast<float>(random_() % 9);
    std::vector<SamplingRow> rows;
    std::vector<SampledToken> expected, got(live.size());
    cpu::SampleScratch scratch;
    const std::vector<SampledToken>& before = results[(step + 1) % 2];
    for (size_t i = 0; i < live.size(); ++i) {
      Live& l = live[i];
      SamplingRow& row = rows.emplace_back(l.c.row());
      const bool pending = l.pending >= 0 && random_() % 2 == 0;
      const int32_t token = l.pending >= 0 ? before[static_cast<size_t>(l.pending)].token : -1;
      if (pending)
        row.pending = l.pending;
      else if (token >= 0) {
        l.c.output.push_back(token);
        row.output = l.c.output;
      }
      std::vector<float> copy(logits.begin() + static_cast<long>(i * kVocab),
                              logits.begin() + static_cast<long>((i + 1) * kVocab));
      expected.push_back(cpu::sample_row(copy, row, pending ? token : -1, scratch));
      if (pending && token >= 0) l.c.output.push_back(token);  // committed while the step runs
      l.pending = static_cast<int>(i);
    }
    stream_.wait();
    std::copy(logits.begin(), logits.end(), logits_.as<float>());
    sampler_->launch(logits_.rows(static_cast<int64_t>(live.size())), rows, got);
    sampler_->wait();
    for (size_t i = 0; i < live.size(); ++i)
      ASSERT_EQ(got[i].token, expected[i].token) << "step " << step << ", row " << i;
    results[step % 2] = got;
  }
}

// More sequences than the device remembers: who rests long enough is forgotten and told anew. Those
// with drafts have several rows in a step; some of their drafts come true.
TEST_F(CudaSampler, SequencesWithDraftsRestAndComeBack) {
  SCOPED_TRACE(testing::Message() << "seed " << seed_);
  struct Live {
    Case c;
    int pending = -1;  // row of the step before whose token is not in the output yet
  };
  std::vector<Live> live(2 * kRows);
  for (Live& l : live) {
    l.c = random_case();
    l.c.params.temperature = 0;
    l.c.params.frequency_penalty = 0.4f;
    l.c.output.reserve(400);  // rows refer to these while they grow
    l.c.draft.clear();
    l.c.draft.reserve(kRows);
  }
  std::vector<SampledToken> before;
  cpu::SampleScratch scratch;
  int num_accepted = 0;
  for (int step = 0; step < 40; ++step) {
    std::vector<float> logits(kRows * kVocab);
    for (float& logit : logits) logit = static_cast<float>(random_() % 9);
    std::vector<SamplingRow> rows;
    std::vector<SampledToken> expected;
    std::ranges::shuffle(live, random_);
    const size_t num_live = 1 + random_() % kRows;
    std::vector<int> pending_now(live.size(), -1);
    for (size_t i = 0; i < live.size(); ++i) {
      Live& l = live[i];
      const int32_t token = l.pending >= 0 ? before[static_cast<size_t>(l.pending)].token : -1;
      const bool takes_part = i < num_live && rows.size() < kRows,
                 pending = takes_part && token >= 0 && random_() % 2 == 0;
      if (token >= 0 && !pending) l.c.output.push_back(token);
      l.c.draft.clear();
      if (takes_part) {
        const size_t num_drafts = pending ? 0 : std::min(random_() % 4, kRows - 1 - rows.size());
        for (size_t d = 0; d <= num_drafts; ++d) {
          SamplingRow& row = rows.emplace_back(l.c.row());
          if (pending) row.pending = l.pending;
          const auto begin = logits.begin() + static_cast<long>((rows.size() - 1) * kVocab);
          std::vector<float> copy(begin, begin + kVocab);
          expected.push_back(cpu::sample_row(copy, row, pending ? token : -1, scratch));
          if (d < num_drafts)
            l.c.draft.push_back(random_() % 2 == 0 ? std::max(expected.back().token, 0)
                                                   : ids(1).front());
        }
        pending_now[i] = static_cast<int>(rows.size()) - 1;
      }
      if (pending) l.c.output.push_back(token);  // committed while the step runs
      l.pending = -1;
    }
    std::vector<SampledToken> got(rows.size());
    stream_.wait();
    std::ranges::copy(logits, logits_.as<float>());
    sampler_->launch(logits_.rows(static_cast<int64_t>(rows.size())), rows, got);
    sampler_->wait();
    for (size_t i = 0; i < rows.size(); ++i)
      ASSERT_EQ(got[i].token, expected[i].token)
          << "step " << step << ", row " << i << ", drafts " << rows[i].draft.size();
    for (size_t i = 0; i < live.size(); ++i) {
      if (pending_now[i] < 0) continue;
      std::vector<int32_t>& output = live[i].c.output;
      const std::vector<int32_t>& draft = live[i].c.draft;
      auto row = static_cast<size_t>(pending_now[i]) - draft.size();
      size_t d = 0;
      for (; d < draft.size() && got[row + d].token == draft[d]; ++d) output.push_back(draft[d]);
      num_accepted += static_cast<int>(d);
      if (got[row + d].token >= 0) live[i].pending = static_cast<int>(row + d);
    }
    before = got;
  }
  EXPECT_GT(num_accepted, 10);
}

TEST_F(CudaSampler, NothingIsRememberedOfRowsWithoutASequence) {
  Case c;
  c.params = {.temperature = 0, .frequency_penalty = 5};
  for (int i = 0; i < 3 * kVocab; ++i) logits_.as<float>()[i] = i % kVocab < 3 ? 1 : 0;
  for (const std::vector<int32_t>& output : {std::vector<int32_t>{0, 1}, {0}, {}, {2}}) {
    c.output = output;
    std::vector<SampledToken> got(3);
    sampler_->launch(logits_.rows(3), std::vector<SamplingRow>(3, c.row()), got);
    sampler_->wait();
    for (const SampledToken& token : got)
      EXPECT_EQ(token.token, output.size() == 2 ? 2 : output == std::vector<int32_t>{0} ? 1 : 0);
  }
}

// However long the contexts are: what was told once is on the device. The host used to wait for the
// whole step where all rows' lists together had no room.
TEST_F(CudaSampler, ALaunchWaitsForNothingAndSendsWhatIsNew) {
  constexpr int kManyRows = 256, kContext = 8192, kWords = 32000;
  Arena arena(0);
  const SamplerLimits limits{.max_rows = kManyRows,
                             .max_seqs = kManyRows,
                             .vocab_size = kWords,
                             .max_model_len = kContext + 10};
  const kernels::StreamRef queue{.handle = stream_.get(), .sm = 90, .num_sms = 4, .pdl = true};
  arena.reserve(Sampler::device_bytes(arena, queue, limits));
  Sampler sampler(arena, queue, stream_, limits);
  const SamplingParams params{.repetition_penalty = 1.05f};
  std::vector<int32_t> prompt, output;
  for (int i = 0; i < kContext; ++i) prompt.push_back(i * 7 % kWords);
  output.reserve(10);
  std::vector<SamplingRow> rows;
  for (uint64_t i = 0; i < kManyRows; ++i)
    rows.push_back({.params = &params, .sequence = i + 1, .prompt = prompt});
  std::vector<SampledToken> out(kManyRows);
  const Tensor logits(nullptr, DType::kF32, {kManyRows, kWords});
  fake_cuda::do_nothing([](const fake_cuda::Kernel& kernel) {
    if (*kernel.type != typeid(void (*)(kernels::SampleArgs, int, bool))) return;
    const auto& args = *static_cast<const kernels::SampleArgs*>(kernel.arguments[0]);
    if (args.sequence != nullptr) *args.sequence = args.sequence_value;
  });
  uint64_t sent = 0;
  for (int step = 0; step < 3; ++step) {
    const fake_cuda::Stats before = fake_cuda::stats();
    sampler.launch(logits, rows, out);
    const fake_cuda::Stats after = fake_cuda::stats();
    EXPECT_EQ(after.num_waits, before.num_waits) << "step " << step;
    sent = after.copied_bytes - before.copied_bytes;
    sampler.wait();
    output.push_back(step);
    for (SamplingRow& row : rows) row.output = output;
  }
  EXPECT_LT(sent, kManyRows * 150) << "bytes of a step: its rows and a token of each";
  fake_cuda::do_nothing(nullptr);
}

TEST_F(CudaSampler, TwoStepsMayBeInFlight) {
  SamplingParams greedy{.temperature = 0};
  std::vector<SampledToken> first(1), second(2);
  const std::vector<SamplingRow> one = {{.params = &greedy}},
                                 two = {{.params = &greedy}, {.params = &greedy}};
  for (int i = 0; i < 2 * kVocab; ++i) logits_.as<float>()[i] = static_cast<float>(i % 501);
  for (int round = 0; round < 5; ++round) {
    sampler_->launch(logits_.rows(1), one, first);
    sampler_->launch(logits_.rows(2), two, second);
    sampler_->wait();
    EXPECT_EQ(first[0].token, 500);
    sampler_->wait();
    EXPECT_EQ(second[1].token, 1) << "element 1001, 500 again";
    EXPECT_FALSE(sampler_->launched());
    first.assign(1, {});
    second.assign(2, {});
  }
}

// Lists of all rows together that have no room are sent in several pieces.
TEST_F(CudaSampler, ManyLongListsAreStillRight) {
  std::vector<SampledToken> got(kRows);
  Case c;
  c.params = {.temperature = 0};
  c.banned.assign(size_t{300} << 10, 999);  // 1.2 MB for each row
  std::vector<SamplingRow> rows(kRows, c.row());
  for (int i = 0; i < kRows * kVocab; ++i)
    logits_.as<float>()[i] = static_cast<float>(i % kVocab + i / kVocab);
  sampler_->launch(logits_, rows, got);
  sampler_->wait();
  stream_.wait();
  for (int i = 0; i < kRows; ++i) {
    EXPECT_EQ(got[static_cast<size_t>(i)].token, 998);
    EXPECT_EQ(sampler_->tokens()[i], 998);
  }
}

TEST_F(CudaSampler, ADeviceThatFailsEndsTheWait) {
  SamplingParams greedy{.temperature = 0};
  std::vector<SampledToken> out(1);
  const std::vector<SamplingRow> rows = {{.params = &greedy}};
  fake_cuda::enqueue(stream_.get(),
                     [] { std::this_thread::sleep_for(std::chrono::milliseconds(100)); });
  sampler_->launch(logits_.rows(1), rows, out);
  fail_call(1);
  EXPECT_THROW(sampler_->wait(), DeviceError);
  fail_call(0);
}

}  // namespace
}  // namespace ember::cuda
